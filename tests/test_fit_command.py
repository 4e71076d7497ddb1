"""The command ``gradstep fit``: what it shows, what it advises, and the errors that say how to go on."""

from __future__ import annotations

import json
import signal

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from command_line import assert_one_line, process, write_csv
from sklearn.datasets import load_breast_cancer

import gradstep

# What it shows


def coefficients(out: str) -> list[list[str]]:
    """Return the rows of the table of coefficients, as words from the right: a name may hold blanks."""
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if set(line) == {"\N{BOX DRAWINGS LIGHT HORIZONTAL}"})
    end = next(i for i, line in enumerate(lines) if line.startswith("(intercept)"))
    return [line.split() for line in lines[start + 1 : end + 1]]


def test_the_largest_coefficients_are_shown_with_their_columns(command, tmp_path):
    random = np.random.default_rng(0)
    X, y = random.standard_normal((60, 25)), random.random(60) < 0.5
    rows = [
        ",".join(f"c{j}" for j in range(25)) + ",y",
        *(",".join(map(repr, [*x, int(t)])) for x, t in zip(X.tolist(), y, strict=True)),
    ]
    path = tmp_path / "m.json"
    outcome = command(
        "fit", write_csv(tmp_path / "t.csv", "\n".join(rows)), "--label", "y", "--l2", 0.1, "--save", path
    )
    assert outcome.code == 0
    model = json.loads(path.read_text())
    of = dict(zip(model["columns"], model["coefficients"], strict=True))
    largest = sorted(of, key=lambda name: -abs(of[name]))[:20]
    *shown, intercept = coefficients(outcome.out)
    assert [name for name, _ in shown] == largest
    assert [number for _, number in shown] == [f"{of[name]:.6g}" for name in largest]
    assert intercept == ["(intercept)", f"{model['intercept']:.6g}"]
    assert "the largest 20 of 25; --save FILE keeps all" in outcome.out
    assert f"wrote     {path}; gradstep predict {path} DATA applies it" in outcome.out


def test_standardized_coefficients_are_shown_in_both_units(command, tmp_path):
    rows = "\n".join(f"{k},{1000 * (k % 7)},{int(k % 5 < 2)}" for k in range(40))
    path = tmp_path / "m.json"
    outcome = command("fit", write_csv(tmp_path / "t.csv", f"small,large,y\n{rows}\n"), "--label", "y", "--l2", 0.01,
                      "--standardize", "--save", path)  # fmt: skip
    model = json.loads(path.read_text())
    assert "per standard deviation" in outcome.out
    inner = model["standardized"]["coefficients"]
    order = [0, 1] if abs(inner[0]) > abs(inner[1]) else [1, 0]
    expected = [[model["columns"][j], f"{model['coefficients'][j]:.6g}", f"{inner[j]:.6g}"] for j in order]
    assert coefficients(outcome.out)[:-1] == expected


def test_the_kernel_that_ran_is_named(command, separable):
    line = ("fit", separable, "--label", "state", "--positive", "ill", "--l2", 0.1, "--kernel")
    assert "\nkernel    numpy\n" in command(*line, "numpy").out
    assert f"\nkernel    {gradstep.fastest(10, 2).name}\n" in command(*line, "auto").out


@pytest.mark.parametrize("name", ["fit", "predict"])
def test_help_fits_a_terminal(command, name):
    lines = command(name, "--help").out.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 80
    for title in ("Data:", "Result:", "Other options:"):
        assert title in lines


# What it advises


def advice(outcome) -> str:
    return next((line for line in outcome.out.splitlines() if line.startswith("advice")), "")


def test_classes_that_can_be_separated_are_advised_a_penalty(command, tmp_path):
    table = write_csv(tmp_path / "t.csv", "x,y\n1,0\n2,0\n3,1\n4,1\n")
    assert "separate the classes" in advice(command("fit", table, "--label", "y"))
    assert "--l2 0.01" in advice(command("fit", table, "--label", "y", "--tol", 0.01))
    assert advice(command("fit", table, "--label", "y", "--l2", 0.01, "--standardize")) == ""


def test_labels_between_0_and_1_are_not_called_separable(command, tmp_path):
    table = write_csv(tmp_path / "t.csv", "x,y\n-1,0.1\n1,0.9\n")
    outcome = command("fit", table, "--label", "y")
    assert "accuracy  1.0000" in outcome.out
    assert advice(outcome) == ""


def test_fit_that_stops_early_says_what_to_change(command, separable):
    line = ("fit", separable, "--label", "state", "--positive", "ill", "--max-iter", 5)
    assert "raise --max-iter (5 now)" in advice(command(*line))
    assert "leave --alpha out" in advice(command(*line, "--alpha", 1e-3))
    outcome = command(*line, "--l2", 1, "--max-iter", 2000, "--tol", 1e-300)
    assert "raise --tol" in advice(outcome)
    # What a user of Python is warned of stays out of sight.
    assert outcome.err == ""


def test_the_gradient_is_shown_for_both_kinds_of_column(command, tmp_path):
    table = write_csv(tmp_path / "t.csv", "x,y\n1000,0\n2000,1\n3000,0\n4000,1\n")
    out = command("fit", table, "--label", "y").out
    assert "(--tol 1e-06) for standardized columns, " in out
    assert out.splitlines()[-1].endswith(" for the columns as they are")
    for option in (("--standardize",), ("--alpha", 1e-9)):
        assert "for standardized columns" not in command("fit", table, "--label", "y", *option).out


def test_label_that_is_not_named_is_a_question_with_the_answers(command, tmp_path):
    assert_one_line(command("fit", write_csv(tmp_path / "t.csv", TABLE)), 2, "--label COLUMN", "'city', 'id'", "'y'")
    assert_one_line(command("fit", tmp_path / "no.csv"), 2, "--label COLUMN")


# Columns


TABLE = "id,x,city,square,y\n1,0,Ulm,0,0\n2,1,Köln,1,1\n3,2,,4,0\n4,3,Bonn,9,1\n"


def columns_of(command, tmp_path, table, *arguments) -> list[str]:
    path = tmp_path / "m.json"
    outcome = command("fit", table, "--label", "y", "--l2", 0.1, "--save", path, *arguments)
    assert outcome.code == 0, outcome.err
    return json.loads(path.read_text())["columns"]


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        (("--drop", "city"), ["id", "x", "square"]),
        (("--drop", "city,id"), ["x", "square"]),
        (("--drop", "city", "--drop", "id"), ["x", "square"]),
        (("--columns", "square, x"), ["x", "square"]),
        (("--columns", "x,square,id", "--drop", "id"), ["x", "square"]),
    ],
)
def test_columns_and_drop(command, tmp_path, arguments, columns):
    assert columns_of(command, tmp_path, write_csv(tmp_path / "t.csv", TABLE), *arguments) == columns
    table = pyarrow.table({"id": [1, 2, 3, 4], "x": [0, 1, 2, 3], "city": ["Ulm", "", None, "Bonn"],
                           "square": [0, 1, 4, 9], "y": [0, 1, 0, 1]})  # fmt: skip
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert columns_of(command, tmp_path, tmp_path / "t.parquet", *arguments) == columns


def test_columns_of_npz(command, tmp_path):
    np.savez(tmp_path / "t.npz", X=np.arange(12.0).reshape(4, 3), y=[0, 1, 0, 1])
    assert columns_of(command, tmp_path, tmp_path / "t.npz", "--drop", "x1") == ["x0", "x2"]
    assert columns_of(command, tmp_path, tmp_path / "t.npz", "--columns", "x2") == ["x2"]


def test_name_with_a_comma_is_quoted(command, tmp_path):
    table = write_csv(tmp_path / "t.csv", '"a, b",x,y\nred,1,0\nblue,2,1\n')
    outcome = command("fit", table, "--label", "y")
    assert_one_line(outcome, 1, "column 'a, b' ('red') holds text", """--drop '"a, b"'""")
    assert columns_of(command, tmp_path, table, "--drop", '"a, b"') == ["x"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--columns", "x,nosuch"), ("no column 'nosuch'", "'city', 'id', 'square', 'x', 'y'")),
        (("--drop", "nosuch"), ("no column 'nosuch'",)),
        (("--drop", "y"), ("--drop names 'y', which holds the labels",)),
        (("--columns", "y"), ("--columns names 'y'",)),
        (("--columns", "x", "--drop", "x"), ("no column left",)),
        ((), ("t.csv, line 2: column 'city' ('Ulm') holds text, not numbers; leave it out with --drop city",)),
    ],
)
def test_columns_that_cannot_be_used(command, tmp_path, arguments, parts):
    assert_one_line(command("fit", write_csv(tmp_path / "t.csv", TABLE), "--label", "y", *arguments), 1, *parts)


def test_all_columns_of_text_are_named_at_once(command, tmp_path):
    names = ",".join(f"t{k}" for k in range(8))
    table = write_csv(tmp_path / "t.csv", f"{names},x,y\n{',abc' * 8},1,0\n".replace("\n,", "\n"))
    shown = ", ".join(f"'t{k}' ('abc')" for k in range(6))
    outcome = command("fit", table, "--label", "y")
    assert_one_line(outcome, 1, f"line 2: columns {shown} and 2 more hold text", f"leave them out with --drop {names}")
    pyarrow.parquet.write_table(pyarrow.table({"t": [None, "a"], "u": ["b", "c"], "y": [0, 1]}), tmp_path / "t.parquet")
    outcome = command("fit", tmp_path / "t.parquet", "--label", "y")
    assert_one_line(outcome, 1, "columns 't' ('a'), 'u' ('b') hold text", "--drop t,u")


def test_a_word_among_numbers_is_named_with_its_line(command, tmp_path):
    outcome = command("fit", write_csv(tmp_path / "t.csv", "x,y\n1,0\nmany,1\n"), "--label", "y")
    assert_one_line(outcome, 1, "line 3, column 'x': 'many' is not a finite number")
    outcome = command("fit", write_csv(tmp_path / "t.csv", "x,y\nNA,0\n2,1\n"), "--label", "y")
    assert_one_line(outcome, 1, "line 2, column 'x': 'NA' is not a finite number")


def test_two_features_of_one_name_are_refused(command, tmp_path):
    table = write_csv(tmp_path / "t.csv", "x,x,z,y\n1,2,1,0\n2,1,4,1\n")
    assert_one_line(command("fit", table, "--label", "y"), 1, "2 columns are called 'x'")
    assert columns_of(command, tmp_path, table, "--columns", "z") == ["z"]


@pytest.mark.parametrize(("delimiter", "named"), [(";", ";"), ("\t", "tab"), ("|", "|")])
def test_delimiter(command, tmp_path, delimiter, named):
    table = write_csv(tmp_path / "t.csv", TABLE.replace(",", delimiter))
    assert columns_of(command, tmp_path, table, "--delimiter", named, "--drop", "city") == ["id", "x", "square"]
    outcome = command("fit", table, "--label", "y")
    assert_one_line(outcome, 1, "t.csv: there is no column 'y'", "--delimiter", named)
    assert outcome.err.count("--delimiter") == 1


# The model, its ends and its files


def test_fit_on_breast_cancer(command, breast_cancer, tmp_path):
    model_file = tmp_path / "model.json"
    outcome = command(
        "fit", breast_cancer, "--label", "diagnosis", "--positive", "malignant", "--standardize", "--save", model_file
    )
    assert (outcome.code, outcome.err) == (0, "")
    model = json.loads(model_file.read_text())
    assert model["accuracy"] > 0.97
    assert f"accuracy  {model['accuracy']:.4f}" in outcome.out
    assert "10,000 steps" in outcome.out

    # The saved coefficients are for the columns as they are, those under "standardized" for the others.
    data = load_breast_cancer()
    assert model["columns"] == list(data.feature_names)
    z = data.data @ model["coefficients"] + model["intercept"]
    assert np.mean((z >= 0) == (data.target == 0)) == model["accuracy"]
    inner = model["standardized"]
    standardized = (data.data - inner["means"]) / inner["scales"]
    np.testing.assert_allclose(standardized @ inner["coefficients"] + inner["intercept"], z, rtol=1e-8, atol=1e-8)


def test_fit_that_converges_says_so(command, separable, tmp_path):
    path = tmp_path / "model.json"
    line = ("fit", separable, "--label", "state", "--positive", "ill", "--l2", 0.1, "--standardize", "--save", path)
    outcome = command(*line)
    assert outcome.code == 0
    assert "converged after" in outcome.out
    model = json.loads(path.read_text())
    assert model["converged"]
    assert model["largest_gradient"] <= 1e-6
    assert (model["label"], model["positive"]) == ("state", "ill")
    for threads, kernel in ((1, "python"), (2, "numpy")):
        assert command(*line, "--threads", threads, "--kernel", kernel, "--quiet").code == 0
        assert json.loads(path.read_text())["coefficients"] == pytest.approx(model["coefficients"], rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--alpha", "1e307"), "--alpha 1e+307 is too large; take a smaller one, or leave --alpha out"),
        (("--save", "nosuch/model.json"), "nosuch"),
    ],
)
def test_fit_that_fails_is_one_line_and_exit_code_1(command, separable, arguments, part):
    outcome = command("fit", separable, "--label", "state", "--positive", "ill", *arguments)
    assert_one_line(outcome, 1, part)


@pytest.mark.parametrize("option", ["--alpha", "--tol", "--l2", "--max-iter"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e400", "1_0", "", "x", "\N{FULLWIDTH DIGIT ONE}"])
def test_number_out_of_range_is_a_usage_error_before_the_file_is_read(command, tmp_path, option, value):
    assert_one_line(command("fit", tmp_path / "no.csv", "--label", "y", option, value), 2, f"'{option}'", value)


def test_kernel_that_cannot_run_is_refused_before_the_file_is_read(tmp_path):
    line = ("fit", tmp_path / "no.csv", "--label", "y", "--kernel", "numba")
    assert_one_line(process(*line, NUMBA_DISABLE_JIT="1"), 1, "the numba kernel is not available")


@pytest.mark.parametrize("numbers", [("1.7e308", "-1.7e308"), ("-1e308", "1e308")])
def test_values_too_far_apart_name_the_file_and_the_column(command, tmp_path, numbers):
    rows = "\n".join(f"{k},{number},{k % 2}" for k, number in enumerate(numbers))
    table = write_csv(tmp_path / "t.csv", f"x,dose,y\n{rows}\n")
    assert_one_line(command("fit", table, "--label", "y"), 1, f"{table}, column 'dose': ", "too far apart")
    np.savez(tmp_path / "t.npz", X=[[1.0, float(number)] for number in numbers], y=[0, 1])
    assert_one_line(command("fit", tmp_path / "t.npz"), 1, "t.npz, column 'x1': ", "too far apart")
    assert_one_line(command("fit", table, "--label", "y", "--alpha", 1), 1, f"{table}: ", "--alpha 1 is too large")


def test_any_error_of_the_training_names_the_file(command, separable, monkeypatch):
    def refuse(*_arguments, **_options):
        raise ValueError("no")

    monkeypatch.setattr(gradstep, "fit", refuse)
    assert_one_line(command("fit", separable, "--label", "state", "--positive", "ill"), 1, f"{separable}: no")


def test_interrupted_fit_shows_where_it_stopped_and_saves(command, separable, tmp_path, monkeypatch):
    real_fit = gradstep.fit

    def fit_and_press_ctrl_c(*arguments, **options):
        def callback(iterate: gradstep.Iterate) -> None:
            if iterate.n_iter == 5:
                signal.raise_signal(signal.SIGINT)

        return real_fit(*arguments, **(options | {"callback": callback}))

    monkeypatch.setattr(gradstep, "fit", fit_and_press_ctrl_c)
    path = tmp_path / "model.json"
    outcome = command("fit", separable, "--label", "state", "--positive", "ill", "--save", path)
    assert_one_line(outcome, 130, "interrupted")
    assert "interrupted after 5 steps" in outcome.out
    model = json.loads(path.read_text())
    assert (model["n_iter"], model["converged"]) == (5, False)
