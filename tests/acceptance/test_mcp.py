"""The official MCP client against the whole stack, through its one door."""

import base64
import io
from pathlib import Path

from PIL import Image

from citewell.client import Client, File
from tests.support.mcp_client import mcp_client, pictures, refused, structured
from tests.support.stack import start_stack

MANUAL = Path(__file__).parents[2] / "citewell/samples/documents/manuals/lumenar-40-manual.pdf"
QUESTION = "How long does the Lumenar 40 run on lithium batteries?"


async def test_a_citation_is_followed_to_the_picture_of_its_page(tmp_path: Path) -> None:
    with start_stack(tmp_path / "stack") as stack:
        url, key = stack.ready["url"], stack.ready["api_key"]
        with Client(url, key=key) as client:
            sent = client.upload([File(MANUAL.name, MANUAL)])
            client.wait_batch(sent.batch_id, limit_s=120)
        async with mcp_client(f"{url}/mcp", key) as mcp:
            cited = structured(await mcp.call_tool("ask", {"question": QUESTION}))["citations"][0]
            wish = {name: cited[name] for name in ("document_id", "page", "chunk_id")}
            page = await mcp.call_tool("get_document_page", wish)
            assert cited["quote"].split()[0] in structured(page)["text"]
            (picture,) = pictures(page)
            image = Image.open(io.BytesIO(base64.b64decode(picture.data)))
            assert (image.format, max(image.size)) == ("PNG", 1200)
        async with mcp_client(f"{url}/mcp", stack.key_of("rival")) as mcp:
            assert refused(await mcp.call_tool("get_document_page", wish)) == "not_found"
