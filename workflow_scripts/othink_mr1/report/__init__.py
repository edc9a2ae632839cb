"""report.html: the page one takes home. What of a study is there, in one file that needs no network."""
