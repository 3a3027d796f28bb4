"""Local folders and S3 behind one small interface."""

from connectors.storage.opening import open_store
from connectors.storage.options import StorageOptions
from connectors.storage.store import Content, Store

__all__ = ["Content", "StorageOptions", "Store", "open_store"]
