# %% [markdown]
# # From files to a served panel
#
# A folder of scans and a table of labels, as they come out of a hospital: read, learned from, judged by
# the gate, in production, asked. Open this file as a notebook, or run it: `python docs/tutorial.py` (a
# minute). It writes into the current folder. `docs/notebook.py` is shorter, and does without MLflow.

# %% Runs go into this folder, wherever MLflow starts them; `python` and `hemo` are this environment's
import os
import shlex
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pydicom

import hemo

here = Path.cwd()
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{here}/mlflow.db"


def shell(command: str) -> None:
    """Run a command, as `!command` does in a notebook."""
    print(f"$ {command}", flush=True)
    subprocess.run(shlex.split(command), check=True)


# %% [markdown]
# ## Scans and labels
#
# Yours are there already: put them in the place of `scans` and `labels.csv`, and leave out the next cell.
# These are drawn, and given names and a table as a hospital's might be: a row a file, with its patient,
# and one column for hemorrhage of any type.

# %%
table = hemo.make_phantom("drawn", patients=12, slices=6, size=64)
any_blood = pd.read_csv(table).set_index("ID")["Label"].filter(like="_any")
rows: list[tuple[str, str, int]] = []
patients: dict[str, str] = {}
for file in sorted(Path("drawn").rglob("*.dcm")):
    person = str(pydicom.dcmread(file, stop_before_pixels=True).PatientID)
    patient = patients.setdefault(person, f"patient-{len(patients) + 1:02d}")
    target = Path("scans", patient, f"{len(rows):04d}.dcm")
    target.parent.mkdir(parents=True, exist_ok=True)
    file.rename(target)
    rows.append((target.name, patient, any_blood[f"{file.stem}_any"]))
pd.DataFrame(rows, columns=["filename", "patient", "hemorrhage"]).to_csv("labels.csv", index=False)

# %% [markdown]
# ## A slice store
#
# Look at what was read before anything learns from it: how many patients have a label, files that were
# left out with the reason, rows of the table without a file. `hemo store show store` writes a contact
# sheet.

# %%
read = hemo.preprocess("scans", "labels.csv", "store", hemo.Reduction(size=32))
print(read.store.counts())
print(read.store.exclusions)
print(f"{read.unlabelled} slices without a label, {read.unmatched} rows without a slice")

# %% [markdown]
# ## Trained, compared, judged
#
# An experiment file says what differs from the defaults (`docs/experiment.md` has all its words).
# `mlflow.projects.run` is `mlflow run` in Python: two families in three folds by patient, their
# comparison, and the gate's answer. It works in the project's folder, so that paths are given in full.

# %%
Path("mine.yaml").write_text("name: mine\nfolds: 3\nworkers: 1\nfamilies: {logreg: {}, boosted: {}}\n")
submitted = mlflow.projects.run(
    str(Path(hemo.__file__).parent.parent),
    entry_point="main",
    parameters={"experiment": str(here / "mine.yaml"), "store": str(here / "store")},
    experiment_name="mine",
    env_manager="local",
)

# %% The run that comes back has the recall of each label's best family; those below it have every metric
print(pd.Series(mlflow.get_run(submitted.run_id).data.metrics).round(2).to_string())
trained = mlflow.search_runs(
    experiment_names=["mine"],
    filter_string=f"tags.stage = 'train' and tags.mlflow.parentRunId = '{submitted.run_id}'",
)
auc = [f"metrics.test/auc{bound}" for bound in ("", "_low", "_high")]
print(trained[["tags.family", *auc, "run_id"]].round(2).to_string())

# %% [markdown]
# ## The gate
#
# It refused. That is an answer, and the one that so few patients deserve. A dry run shows every condition
# with what was found and what is asked (`docs/registry.md` says why), and moves nothing.

# %%
shell("hemo promote --experiment mine.yaml --label any --dry-run")
shell("hemo promote --help")

# %% [markdown]
# What helps is more patients, not a lower threshold. Against the gate there is one way, which the help
# names: for one label, with a reason that is recorded and shown in red wherever the version is. It is
# taken here to show the rest of the way, and for nothing else.

# %%
shell("hemo promote --experiment mine.yaml --label any --override 'a tutorial on drawn scans'")

# %% [markdown]
# ## Asked
#
# The panel is what is in production: here one classifier, with the warnings that it deserves. Studies come
# first, then their slices.

# %%
shell("hemo predict scans/patient-01 --out predictions.csv")
print(pd.read_csv("predictions.csv")[["row", "any_probability", "any_decision"]])

# %% [markdown]
# ## Served
#
# In a shell, in this folder (in another with `MLFLOW_TRACKING_URI`):
#
#     mlflow models serve -m models:/hemo-panel@production --env-manager local --port 5001
#
# `docs/serving.md` says how to call it. Python loads the same model as the server does, and asks it with
# the same table: names, and the bytes of files.

# %%
panel = mlflow.pyfunc.load_model("models:/hemo-panel@production")
study = sorted(Path("scans", "patient-01").glob("*.dcm"))
asked = pd.DataFrame({"name": [file.name for file in study], "image": [file.read_bytes() for file in study]})
answers = panel.predict(asked)
shown = ["name", "any_probability", "study_any_decision", "panel_version", "synthetic", "research_use_only"]
print(answers[shown].to_string())

# %% [markdown]
# `hemo ui` has all of it: the runs, the comparison's page, the gate's reports, the versions. For scans of
# your own `experiments/best.yaml` is the recipe to begin with.
