"""PostgreSQL and Redis for one machine, and the supervisor that keeps them and paycore's own programs running.

Nothing here imports Django or the project's settings: it must work before either can.
"""
