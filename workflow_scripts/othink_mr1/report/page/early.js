// Before the first paint: the theme that was chosen the last time.
try {
  const theme = localStorage.getItem("othink-mr1-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch (error) { /* a browser that keeps nothing for files */ }
