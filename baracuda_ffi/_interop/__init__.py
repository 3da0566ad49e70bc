"""Other people's objects: arrays and streams, one file a protocol or a framework's quirks."""
