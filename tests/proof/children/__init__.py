"""Programs that the tests run in a process of their own: `python -m proof.children.NAME`, from the folder of the tests."""
