"""The signs that the profile emoji_think uses. Imports nothing, so that whoever picks signs of their own can compare."""

from __future__ import annotations

THINK_EMOJI = ("🤔", "💭", "🧠", "💡", "🔍", "🧐", "🤓", "🔮", "🧩", "📝")
"""With one of them the hero thinks."""
STOP_EMOJI = ("🛑", "🏁", "🔚", "🚫", "🎬", "🔒", "🌙", "🚪", "🎉", "🏆")
"""With one of them it ends. Each is a single code point, as those of THINK_EMOJI are, and none is in both."""
THINK_TIMES = (2, 8)
STOP_TIMES = (2, 4)
