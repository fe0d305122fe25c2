from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _features_are_kept_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEMO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
