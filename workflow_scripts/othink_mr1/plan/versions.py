"""Version numbers of what each stage means. Raise one by hand when its results would change.

Raising a number makes new results under new names; the older ones stay. A change that keeps the
results (a faster loop, a log line) leaves it alone.
"""

TRAINING = 1  # SFT and GRPO: losses, sampling, order of the data, optimiser
PRETRAINING = 2  # the small backbone and its tokenizer
PREPARATION = 2  # raw sets to the common schema
LEAKS = 1  # what counts as the same picture and question in a training and a test set
RENDERING = 2  # the sets that the workflow draws itself
GENERATION = 2  # test answers from a checkpoint
REWARD = 1  # the rewards that GRPO trains on: accuracy and format
EXACT_REWARD = 2  # what `reward_scorer: exact` rewards; moves the runs that have it alone
EXHIBITS = 1  # csv files, tables, figures and claims from scores, runs and sets
SCORER = "4"  # r1v and exact scores from answers; with the task's scorer, names the files of the scores
