"""Version numbers of the stages. Raise one by hand when the stage's results would change.

A raised number makes new results under new names; the old ones stay. Do not raise it for a change that keeps
the results (a faster loop, a log line).
"""

TRAINING = 1  # SFT and GRPO: losses, sampling, order of the data, optimiser
PRETRAINING = 2  # the small backbone and its tokenizer
PREPARATION = 2  # from raw sets to the common schema
SPLIT = 1  # which items of a training set are for validation
LEAKS = 1  # what counts as the same picture and question in training and test set
RENDERING = 2  # the sets that the workflow draws itself
GENERATION = 2  # a checkpoint's test answers
REWARD = 1  # the rewards that GRPO trains on: accuracy and format
EXACT_REWARD = 2  # what `reward_scorer: exact` rewards; affects only runs that use it
EXHIBITS = 2  # csv files, tables, figures and claims from scores, runs and sets
SCORER = "5"  # r1v and exact scores of answers; part of the score files' names, with the task's scorer
