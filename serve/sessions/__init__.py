"""Sessions: the registry on disk, the queue, the session under way, its progress and its followers."""
