"""A download of any size, with a progress bar by rich.

    lasa run examples/download.py https://example.com/large.iso [FILE]

The body goes from the network into the file piece by piece. A download that breaks off leaves FILE.part, never a FILE
that is not whole.
"""

import os
import sys
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

import lasa

COLUMNS = (BarColumn(), "{task.percentage:>3.0f}%", DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())


def download(url: str, path: str) -> int:
    """Download into a file and return how much it is.

    Raises:
        lasa.Error: the request failed, or the body broke off. OSError: of the file.
    """
    client, _ = lasa.http.client.new(follow_redirects=5, retries=3)
    with client, Progress(*COLUMNS, console=Console(stderr=True)) as bars:
        bar = bars.add_task(path, total=None)
        response, _ = lasa.check(
            client.request(
                url=url,
                stream=True,
                decode=False,  # the file as it is on the server
                progress=lambda done, total: bars.update(bar, completed=done, total=total),
            )
        )
        if response.code != 200:
            raise lasa.Error(f"{response.code} {response.status}")
        size: int = response.save(f"{path}.part")
    os.replace(f"{path}.part", path)
    return size


def main(url: str, path: str | None = None) -> None:
    path = path or os.path.basename(urlsplit(url).path) or "index.html"
    try:
        size = download(url, path)
    except (lasa.Error, OSError) as error:
        sys.exit(f"cannot download {url}: {error}")
    print(f"{path}: {size} bytes")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
