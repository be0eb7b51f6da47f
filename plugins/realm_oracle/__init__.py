"""The oracle: inference on exact checkpoints, a pool, a server, chats."""
