"""Migrating quicker than Django does, to the same schema: ``pg_dump`` of both was compared when this was written.

Django renders a model and all that are related to it anew after each operation: hundreds of thousands of fields, most
of a minute. Nearly half of that is taking fields apart and building them again, where a copy does; another part is
rendering for indexes, constraints and triggers, which change no field.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import Field

_LISTS = ("indexes", "constraints", "triggers")


@contextmanager
def quick_migrations() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Field, "clone", copy.deepcopy)  # which Django uses itself to inherit fields
        patch.setattr(ModelState, "render", _render)
        patch.setattr(ProjectState, "reload_model", _reload_model)
        yield


_render_slowly, _reload_slowly = ModelState.render, ProjectState.reload_model


def _render(state: ModelState, apps: Any) -> Any:
    model = _render_slowly(state, apps)
    model.rendered_from = _all_but_lists(state)  # type: ignore[attr-defined]  # ours
    return model


def _reload_model(project: ProjectState, app_label: str, model_name: str, delay: bool = False) -> None:
    state = project.models[app_label, model_name]
    apps = project.__dict__.get("apps")  # to ask for the property would render everything
    rendered = apps and apps.all_models[app_label].get(model_name)
    if rendered and getattr(rendered, "rendered_from", None) == _all_but_lists(state):
        for name in _LISTS:
            setattr(rendered._meta, name, list(state.options.get(name, [])))
    else:
        _reload_slowly(project, app_label, model_name, delay)


def _all_but_lists(state: ModelState) -> Any:
    """What decides a rendered model but its lists; fields by identity, for operations replace them."""
    fields = [(name, id(field)) for name, field in state.fields.items()]
    options = {name: value for name, value in state.options.items() if name not in _LISTS}
    return fields, options, list(state.bases), list(state.managers)
