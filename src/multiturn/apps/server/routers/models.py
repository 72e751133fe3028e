"""`/v1/models`: what is served."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends

from multiturn import __version__
from multiturn.apps.server.openai.answers import ModelList, ServedModel
from multiturn.apps.server.openai.sampling import check_model
from multiturn.apps.server.resources import ServerResources, resources_of

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["OpenAI"])

_STARTED = int(time.time())


@router.get("/models")
async def list_models(
    resources: Annotated[ServerResources, Depends(resources_of)],
) -> ModelList:
    """The model of this server."""
    return ModelList(data=[_entry(resources)])


@router.get("/models/{model:path}")
async def retrieve_model(
    model: str, resources: Annotated[ServerResources, Depends(resources_of)]
) -> ServedModel:
    """A model by its id."""
    check_model(resources, model)
    return _entry(resources)


def _entry(resources: ServerResources) -> ServedModel:
    return ServedModel(
        id=resources.model_id,
        created=_STARTED,
        context_window=resources.engine.info.context_window,
        slots=resources.engine.info.slots,
        version=__version__,
    )
