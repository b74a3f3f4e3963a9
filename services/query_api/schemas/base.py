"""What the bodies of several routes share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text1000 = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
CollectionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rerank = Annotated[bool, Field(description="Reorder the best hits with a cross-encoder.")]


class Request(BaseModel):
    """A request body; a field it does not know is an error, not a wish ignored."""

    model_config = ConfigDict(extra="forbid")
