"""How far a running workflow is, and how long it still takes, from its jobs' starts and ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class TimeLeft:
    """Counts jobs by rule. Times are in seconds, of any clock.

    The time left is the work left (per rule: jobs left, times their mean duration so far) divided by how many
    jobs have run at once so far. A rule of which no job has ended counts with the mean of the others.
    """

    def __init__(self, jobs: Mapping[str, int], now: float) -> None:
        """jobs: rule -> number of its jobs in this workflow."""
        self._total = Counter(jobs)
        self._done: Counter[str] = Counter()
        self._seconds: dict[str, float] = dict.fromkeys(jobs, 0.0)  # of the jobs that have ended
        self._rules: dict[int, str] = {}
        self._started: dict[int, float] = {}
        self._begin = now

    def start(self, job: int, rule: str, now: float) -> None:
        self._rules[job] = rule
        self._started[job] = now

    def finish(self, job: int, now: float) -> None:
        rule = self._rules.get(job, "")
        if rule in self._total and job in self._started:
            self._done[rule] += 1
            self._seconds[rule] += now - self._started.pop(job)

    def fail(self, job: int) -> None:
        """A job has failed. If it is tried again, it starts again."""
        self._started.pop(job, None)

    def seconds(self, now: float) -> float | None:
        """The time left; None before the first job has ended."""
        ended = self._done.total()
        work = sum(self._seconds.values())
        if not ended or not work or now <= self._begin:
            return None
        left = 0.0
        for rule, total in self._total.items():
            done = self._done[rule]
            mean = self._seconds[rule] / done if done else work / ended
            left += (total - done) * mean
        running = sum(now - start for start in self._started.values())
        at_once = (work + running) / (now - self._begin)
        return max(0.0, left - running) / at_once

    def line(self, now: float, most: int = 3) -> str:
        """In words: the share of jobs done, the rules with most jobs, the time left."""
        total, done = self._total.total(), self._done.total()
        rules = [rule for rule, count in self._total.most_common(most) if count > 1]
        parts = [f"{rule} {self._done[rule]} of {self._total[rule]}" for rule in rules]
        left = self.seconds(now)
        said = "time left not known yet" if left is None else f"about {duration(left)} left"
        most_jobs = f" ({', '.join(parts)})" if parts else ""
        return f"{done} of {total} jobs{most_jobs}; {said}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
