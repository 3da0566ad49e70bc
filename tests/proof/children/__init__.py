"""Programs that the tests run in a process of their own: `python -m proof.children.NAME`, from tests/."""
