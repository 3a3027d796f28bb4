"""Local folders and S3 behind one small interface."""

from connectors.storage.options import StorageOptions
from connectors.storage.store import Store, open_store

__all__ = ["StorageOptions", "Store", "open_store"]
