# %% [markdown]
# # hemo in a notebook
#
# From scans to a comparison in eight lines, without MLflow. Open this file as a notebook (VS Code, PyCharm,
# Spyder and Jupytext read the percent format), or run it: `python docs/notebook.py`.
# It writes into the current folder.

# %% Scans and their label table: here a phantom, synthetic studies of 12 patients
import hemo
from hemo.evaluation import paired

table = hemo.make_phantom("phantom", patients=12, slices=8, size=128)

# %% A slice store: every slice in the brain window, cropped to the head, 64 pixels a side
store = hemo.preprocess("phantom", table, "store", hemo.Reduction(size=64)).store
print(store.counts())

# %% Two families on one label, judged out of fold, on patients that each of them never saw
settings = hemo.Experiment(folds=3)
trained = {family: hemo.train(store, family, "any", settings) for family in ("logreg", "boosted")}

# %% Side by side, the best first, with 95% intervals over patients
board = hemo.compare(trained)
print(board[["recall_at_specificity_80", "auc", "auc_low", "auc_high"]].round(2))

# %% And drawn
best = board.index[0]
hemo.plot(trained[best], "roc").savefig("roc.png")

# %% [markdown]
# ## Further
#
# - A store that is there: `store = hemo.open_store("store")`.
# - Parameters of a family: `hemo.train(store, "logreg", "any", C=0.01)`; its defaults are in
#   `hemo.families.get("logreg").defaults`.
# - Other protocols, thresholds and seeds: `hemo.Experiment(protocol="holdout", seed=7)`, or a file,
#   `hemo.load_experiment("experiments/best.yaml")`.
# - Other figures: `precision_recall`, `confusion_matrix`, `calibration`, `patients`, `epochs`.
# - The table of predictions, a row a slice: `trained[best].predictions`; the classifier's probabilities of
#   other slices: `trained[best].probability(images)`.
# - Runs in MLflow, tuning, promotion and serving are commands: `hemo --help`.

# %% Where two trainings differ, paired over patients
tables = {family: one.predictions for family, one in trained.items()}
print(paired.compare(tables)[["metric", "first", "second", "difference", "low", "high"]].round(2))
