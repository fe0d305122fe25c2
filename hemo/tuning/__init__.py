"""Tuning: one Optuna study for each family and label, that keeps the test patients out.

**Protocol.** Tuning always works under the `holdout` split of the experiment's store and seed: the very split
(same digest) that `--protocol holdout` gives every other run, so that `compare` sets tuned classifiers
beside the defaults. Its test patients are never read by a trial. The others, train and validation together,
are dealt anew to four folds, stratified as every split is; a trial is judged by its out-of-fold predictions
of them. Four folds of 20% beside a test part of 20% are the five folds of `cv` with one kept back. Under `cv`
itself all patients would be both those that chose the parameters and those that judge them, so it is not
used here.

**First trials.** The experiment's own parameters, where it sets any, and the family's defaults (the seed
paper's settings, where it has the family) are the first trials of every study and are never pruned, so that
no study ends below them. What tuning gains is the best trial's value less the defaults', on the same folds;
both are then trained and judged on the test patients.

**Truth.** Optuna's storage is the truth about trials; MLflow's runs mirror it and are written by one process,
the parent, from what the storage says. Workers may die at any moment.

    folds         the arrays of each fold, made once a worker
    pruning       folds by Wilcoxon's test, epochs by successive halving
    trial         one trial: parameters, folds, value
    storage       the study in SQLite or PostgreSQL; budgets; lost trials
    worker        a process that runs trials
    processes     the worker processes, replaced when they die
    lock          a lock between processes
    mirror        trials as MLflow runs
    results       best, defaults, gain
    study_data    what a study holds, for tables and figures
    plots         figures of a study
    study_page    a study as one HTML page
    record        what a study's own run holds
    search        the parent: families x labels, the best parameters refitted
    terminal      studies in the terminal
"""
