"""docs/configuration.md is what docs/generate_configuration.py makes of the models."""

import importlib.util

from limen.config import Config
from tests.unit.config.samples import ROOT


def generator():
    path = ROOT / "docs" / "generate_configuration.py"
    spec = importlib.util.spec_from_file_location("generate_configuration", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date():
    made = generator().page()
    assert (ROOT / "docs" / "configuration.md").read_text() == made, "run docs/generate_configuration.py"


def test_every_key_is_in_it():
    module = generator()
    page = module.page()
    for section in module.sections(Config, {}).values():
        assert f"## {module.title(section)}\n" in page
        for name, field in section.model_fields.items():
            assert f"| `{field.alias or name}` |" in page
