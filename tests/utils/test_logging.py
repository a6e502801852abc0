"""One silent logger, which writes to a file on request only."""

import logging

import pytest

from deem.utils.logging import get_logger, log_to_file


@pytest.fixture
def library():
    logger = logging.getLogger("deem")
    level, handlers = logger.level, list(logger.handlers)
    yield logger
    logger.setLevel(level)
    for handler in set(logger.handlers) - set(handlers):
        logger.removeHandler(handler)
        handler.close()


def test_the_library_logger_has_no_handlers(library):
    import deem.core.training  # noqa: F401 - a module that has a logger

    assert library.handlers == []
    assert logging.getLogger("deem.core.training").handlers == []


def test_log_to_file_writes_until_its_handler_is_removed(library, tmp_path):
    path = tmp_path / "deem.log"
    handler = log_to_file(path)
    get_logger("deem.core.training").info("epoch %d", 3)
    get_logger("deem.core.training").debug("a detail")
    library.removeHandler(handler)
    get_logger("deem.core.training").info("unheard")
    handler.close()
    (line,) = path.read_text().splitlines()
    assert line.endswith("deem.core.training INFO epoch 3")


def test_log_to_file_hears_the_level_asked_for(library, tmp_path):
    handler = log_to_file(tmp_path / "deem.log", logging.DEBUG)
    get_logger("deem.x").debug("a detail")
    handler.flush()
    assert "a detail" in (tmp_path / "deem.log").read_text()


def test_a_second_file_for_less_leaves_the_first_alone(library, tmp_path):
    all_of_it = log_to_file(tmp_path / "all", logging.DEBUG)
    errors = log_to_file(tmp_path / "errors", logging.ERROR)
    get_logger("deem.x").debug("a detail")
    get_logger("deem.x").error("a fault")
    for handler in (all_of_it, errors):
        handler.flush()
    assert len((tmp_path / "all").read_text().splitlines()) == 2
    assert len((tmp_path / "errors").read_text().splitlines()) == 1


def test_log_to_file_appends(library, tmp_path):
    path = tmp_path / "deem.log"
    path.write_text("before\n")
    handler = log_to_file(path)
    get_logger("deem.x").info("after")
    handler.flush()
    assert path.read_text().startswith("before\n")


def test_training_logs_each_epoch(library, tmp_path):
    from tiny import TINY_MODELS

    handler = log_to_file(tmp_path / "deem.log", logging.DEBUG)
    tiny = TINY_MODELS[0]
    tiny.build().fit(tiny.data(20), epochs=2, solver=None, random_state=0)
    handler.flush()
    text = (tmp_path / "deem.log").read_text()
    assert "epoch 1: " in text
    assert "epoch 2: " in text
