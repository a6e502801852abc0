"""Settings of ensembles: what files and assignments give, and what is refused."""

import json
import pickle
import warnings

import pytest
import torch

from deem.ensembles import DeepEnsembleClassifier, DeepEnsembleRegressor
from deem.ensembles.config import EnsembleConfig, read_config
from deem.ensembles.schedules import SCHEDULES
from deem.utils.exception import ArgumentError, UnusedParameterWarning

TOML = """
data = "wine"
betas = [0, 1]
n_learners = 3
[learner_params]
hidden = [16]
dropout = 0.1
"""


def test_toml_and_json_say_the_same_and_assignments_win(tmp_path):
    (tmp_path / "a.toml").write_text(TOML)
    found = read_config(tmp_path / "a.toml", ["n_learners=4", "learner_params.hidden=[8]"])
    assert (found.data, found.n_learners, found.betas) == ("wine", 4, (0.0, 1.0))
    assert found.learner_params == {"hidden": [8], "dropout": 0.1}
    found.save(tmp_path / "b.json")
    assert read_config(tmp_path / "b.json") == found
    assert json.loads((tmp_path / "b.json").read_text()) == found.to_dict()
    assert read_config(tmp_path / "a.toml", epochs=3, n_learners=9).n_learners == 3


def test_values_are_those_of_toml_and_bare_words_are_texts():
    words = ["bootstrap=true", "learning_rate = 1e-2", "aggregate=prob", 'device="cpu"']
    found = read_config(overrides=[*words, "data_dir=/a/b=c", "n_train=0.5", "n_test=7"])
    assert (found.bootstrap, found.learning_rate, found.aggregate) == (True, 0.01, "prob")
    assert (found.device, found.data_dir, found.n_train, found.n_test) == ("cpu", "/a/b=c", 0.5, 7)
    found = read_config(overrides=["learners=[mlp, cnn]", "aggregators=[DEEM soft, score mean]"])
    assert found.learners == ("mlp", "cnn")
    assert found.aggregators == ("DEEM soft", "score mean")


def test_label_noise_follows_the_data():
    assert EnsembleConfig().label_noise == EnsembleConfig(data="digits_images").label_noise == 0.3
    assert read_config(overrides=["data=wine"]).label_noise == 0
    assert EnsembleConfig(data="wine", label_noise=0.1).label_noise == 0.1


def test_the_default_estimator_is_the_default_ensemble():
    assert EnsembleConfig().estimator().get_params() == DeepEnsembleClassifier().get_params()
    found = EnsembleConfig(beta=0.5).estimator(regression=True)
    assert found.get_params() == DeepEnsembleRegressor().get_params()
    weights = read_config(overrides=["class_weight.0=2.5", "class_weight.1=1"])
    assert weights.estimator().class_weight == {0: 2.5, 1: 1.0}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"scheduler": "exponential", "scheduler_gamma": 0.5}, [0.5, 0.25, 0.125, 0.0625]),
        (
            {"scheduler": "multistep", "scheduler_gamma": 0.1, "scheduler_epochs": [1, 3]},
            [0.1, 0.1, 0.01, 0.01],
        ),
        ({"scheduler": "linear", "scheduler_factor": 0.25}, [0.75, 0.5, 0.25, 0.0]),
        ({"scheduler": "linear", "scheduler_factor": 0.5}, [0.5, 0.0, 0.0, 0.0]),
    ],
)
def test_rates_of_the_schedules(settings, expected):
    scheduler = pickle.loads(pickle.dumps(EnsembleConfig(**settings).estimator().scheduler))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    made, rates = scheduler(optimizer), []
    for _ in expected:
        optimizer.step()
        made.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("monitor", "sign"), [("val_ensemble_loss", 1), ("val_accuracy", -1)])
def test_the_plateau_falls_after_so_many_epochs_without_improvement(monitor, sign):
    config = EnsembleConfig(scheduler="plateau", scheduler_patience=2, monitor=monitor)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    made, rates = config.estimator().scheduler(optimizer), []
    for value in (0.9, 0.8, 0.8, 0.85, 0.7, 0.7, 0.7):
        made.step(sign * value)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1, 1, 1, 0.2, 0.2, 0.2, 0.04])


def test_schedules_of_other_settings_have_other_names():
    def name(**settings):
        return EnsembleConfig(scheduler="exponential", **settings).estimator().scheduler.__name__

    assert name() == name(scheduler_gamma=0.2) == "exponential(gamma=0.2)"
    assert name(scheduler_gamma=0.3) != name()


BAD = {
    "num_learners=4": "'num_learners' is unknown; use n_learners",
    "lr_switch=[1]": "scheduler_epochs, or scheduler_patience",
    "num_classes=10": "classes are found in the data",
    "optimzer=sgd": "'optimzer' is unknown; use optimizer",
    "zzz=1": "use one of: data, data_dir",
    "epochs": "'epochs' sets nothing; write key=value",
    "epochs=": "sets nothing",
    "epochs=many": "epochs='many'; expected a whole number of at least 1",
    "epochs=0": "epochs=0",
    "betas=[0, 1.5]": r"betas=1.5; expected a number in \[0, 1\]",
    "betas=[0,": "expected a list",
    "betas=[]": "expected a list of at least one entry",
    "seeds=-1": "seeds=-1",
    "bootstrap=yes": "bootstrap='yes'; expected true or false",
    "optimizer=magic": "optimizer='magic' is unknown; choose one of: sgd, adam",
    "optimizer=3": "optimizer=3; expected one of: sgd",
    "scheduler=magic": "choose one of: none, cosine, .*, plateau",
    "learner=magic": "learner='magic' is unknown",
    "learner=[mlp, magic]": "learner='magic' is unknown",
    'learner=["mlp"]': "learner has 1 names, but n_learners=8",
    "scheduler=multistep": "needs scheduler_epochs",
    "scheduler_gamma=0": "scheduler_gamma=0; expected a number in",
    "n_train=1.5": "n_train=1.5; expected a whole number of samples, or a fraction",
    "label_noise=1": "label_noise=1",
    "class_weight=heavy": "class_weight='heavy'; expected 'balanced'",
    "class_weight.a=1": "the class 'a'; expected its code",
    "learner_params=3": "learner_params=3; expected parameters by name",
    "epochs.a=3": "'epochs' has no entries",
    "learning_rate=nan": "learning_rate=nan; expected a finite number",
}


@pytest.mark.parametrize("assignment", BAD)
def test_bad_settings_are_named(assignment):
    with pytest.raises(ArgumentError, match=BAD[assignment]):
        read_config(overrides=[assignment])


@pytest.mark.parametrize("setting", ["early_stopping=true", "scheduler=plateau", "selection=best"])
def test_what_needs_validation_samples_says_so(setting):
    with pytest.raises(ArgumentError, match="needs validation samples"):
        read_config(overrides=[setting, "n_validation=0"])
    read_config(overrides=[setting])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "", "neither TOML nor JSON"),
        ("a.toml", "epochs = ", "is not TOML"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "[1]", "holds a list"),
        ("a.toml", "num_epochs = 3", "use epochs"),
    ],
)
def test_bad_files_are_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ArgumentError, match=message):
        read_config(tmp_path / name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("scheduler=cosine scheduler_gamma=0.5", "cosine does not use it; choose exponential or"),
        ("momentum=0.5", "adam has none; choose sgd or rmsprop"),
        ("patience=3", "nothing stops early"),
        ("n_validation=0 monitor=val_accuracy", "there are no validation samples"),
    ],
)
def test_settings_that_do_nothing_give_a_warning(words, message):
    with pytest.warns(UnusedParameterWarning, match=message):
        read_config(overrides=words.split())


def test_settings_that_act_give_no_warning():
    words = "optimizer=sgd momentum=0.5 early_stopping=true patience=3 scheduler=exponential"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_config(overrides=[*words.split(), "scheduler_gamma=0.5"])
    with pytest.warns(UnusedParameterWarning, match="class_weight set, but it is for classes"):
        EnsembleConfig(class_weight="balanced").estimator(regression=True)


def test_every_schedule_is_made_of_settings_there_are():
    names = {f"scheduler_{name}" for _, taken in SCHEDULES.values() for name in taken}
    assert names == {name for name in EnsembleConfig().to_dict() if name.startswith("scheduler_")}
