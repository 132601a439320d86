"""What the stores ring for, besides the outbox."""

from paycore.bell import Bell

PLAY_TOKENS = Bell("play-tokens", "memberships.tasks.ask_google_play")
