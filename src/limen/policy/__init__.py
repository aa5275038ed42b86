"""What is allowed and what is done: rules of the configuration, made into tables for the engine.

Nouns: a *matcher* is one condition, a *rule* conditions with a verdict, a *route* conditions with an action, a *spec*
either of both as a plain value, a *window* a span of the week. Called by `runtime.assemble` and by `limen check`;
calls `config` (models) and `engine` (tables). Who may do what is decided by the engine's tables alone: nothing here
runs for a request.
"""
