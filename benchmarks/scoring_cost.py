"""What scoring every household costs: from stored features to scores, against LightGBM's predict on a matrix.

Judged by the work alone, because starting and importing (which both sides do) would hide the difference.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from measure import PYTHON, arguments, in_turns, report, run, work
from states import WEEK_BEFORE, prepared_state, with_keep

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from assets.grocery.training.models.two_stage import TwoStageRanker
    from resources.tables.store import TableStore

GOAL = 1.5
PREDICT, SCORE = "predict on a matrix", "score from features"
MATRIX, MODEL = "matrix.npy", "ranker.txt"
EXPECTED = {PREDICT: "raw.npy", SCORE: "scores.npy"}  # the project calibrates what the trees say


def main() -> None:
    parser = with_keep(arguments(__doc__, repeat=5))
    parser.add_argument(
        "--side", choices=["finish", "predict", "score"], help="be one side in this process (used by itself)"
    )
    parser.add_argument("--files", type=Path, help="where the finished matrix is (used by itself)")
    given = parser.parse_args()
    if given.side:
        {"finish": finish, "predict": predict, "score": score}[given.side](given.files)
        return
    with prepared_state(given.keep) as prepared, tempfile.TemporaryDirectory() as files:
        prepared.restore()

        def side(name: str) -> list[str]:
            return [PYTHON, __file__, "--side", name, "--files", files]

        run(side("finish"), state=prepared.state)
        costs = in_turns({PREDICT: side("predict"), SCORE: side("score")}, repeat=given.repeat, state=prepared.state)
        report(f"the households of {WEEK_BEFORE}", costs, goal=GOAL, judged_by=["work"])


def finish(files: Path) -> None:
    """Leave the matrix, the model and what each side has to come to in `files`."""
    import numpy as np

    model, frame = fitted_model(), candidates_of(WEEK_BEFORE, stored_tables())
    model.booster.save_model(files / MODEL)
    matrix = frame[list(model.features)].to_numpy(dtype=np.float32)
    np.save(files / MATRIX, matrix)
    np.save(files / EXPECTED[PREDICT], np.asarray(model.booster.predict(matrix)))
    np.save(files / EXPECTED[SCORE], model.score(frame))


def predict(files: Path) -> None:
    """LightGBM alone, with as many threads as the project's model takes."""
    import lightgbm as lgb
    import numpy as np

    from assets.grocery.training.models.two_stage import _threads

    matrix, booster = np.load(files / MATRIX), lgb.Booster(model_file=files / MODEL)
    with work():
        scores = booster.predict(matrix, num_threads=_threads())
    require_same(np.asarray(scores), files / EXPECTED[PREDICT])


def score(files: Path) -> None:
    """The project's way: read the stored features, choose the candidates, make the frame, score it, calibrate."""
    import deltalake  # noqa: F401 (imported before the work begins)
    import pandas  # noqa: F401

    model, tables = fitted_model(), stored_tables()
    with work():
        scores = model.score(candidates_of(WEEK_BEFORE, tables))
    require_same(scores, files / EXPECTED[SCORE])


def candidates_of(day: dt.date, tables: TableStore) -> pd.DataFrame:
    """What `recommendations` scores for `day`."""
    from assets.grocery.candidates.candidates import candidates
    from assets.grocery.features.definitions import FeatureTables
    from resources.config.loader import load_settings

    given = load_settings().model
    built = FeatureTables.of(lambda name: tables.read(name, since=day, until=day).drop("business_date"))
    found = candidates(built, own=given.candidates, new=given.new_candidates)
    return found.order_by("household_id", "product_id").to_pyarrow().to_pandas()


def stored_tables() -> TableStore:
    """The tables of the state, with their engine started."""
    from resources import home
    from resources.tables.store import TableStore

    tables = TableStore(root=str(home.state() / "tables"))
    tables.engine.list_tables()
    return tables


def fitted_model() -> TwoStageRanker:
    """The model of the prepared state, from the one folder that MLflow keeps its files in."""
    from assets.grocery.training.models.two_stage import TwoStageRanker
    from resources import home

    found = TwoStageRanker.load(next((home.state() / "mlflow").rglob("model.json")).parent)
    if not isinstance(found, TwoStageRanker):
        raise SystemExit(f"The prepared state's model is no LightGBM: {found.title}.")
    return found


def require_same(scores: np.ndarray, expected: Path) -> None:
    import numpy as np

    if not np.array_equal(scores, np.load(expected)):
        raise SystemExit("The scores are not those that the same model gave before.")


if __name__ == "__main__":
    main()
