# SPDX-License-Identifier: Apache-2.0
"""Makes the vectors again, from the repository's root: `python -m tests.vectors.make`.

Every private key is made here and thrown away, so all folders are made together, but for
configurations/, which is written by hand.
"""

from __future__ import annotations

from typing import Dict

from . import keys, metadata, protocol
from .blocks import Blocks, Signer
from .chains import Chains
from .folder import ROOT, Folder, Value
from .pki import DOMAIN, INSTANCE, NOW, REGION, USER, Pki
from .staples import Staples

_MEMBERS = "Files are named from tests/vectors on. `keys` is what sshd gets where the reason is granted."


def main() -> None:
    """Makes all of them."""
    pki = Pki()
    keys.make()
    world: Dict[str, Value] = {
        "now": NOW,
        "user": USER,
        "fingerprint": None,
        "instance_id": INSTANCE,
        "region": REGION,
        "zone": f"{REGION}a",
        "domain": DOMAIN,
        "blocks": "blocks/valid.txt",
        "chain": "chains/valid.pem",
        "staples": ["staples/signer.der", "staples/intermediate.der"],
        "roots": ["chains/roots/root.pem"],
        "roots_are_public": False,
        "settings": {},
    }
    blocks = Folder("blocks", f"Answers of active-keys/USER. {_MEMBERS}", **world)
    Blocks(blocks, Signer(pki.key)).make()
    blocks.finish()
    world["keys"] = blocks.member("valid", "keys")
    chains = Folder("chains", f"Answers of signer-cert. {_MEMBERS}", **{**world, "settings": _NO_OCSP})
    (ROOT / "chains/roots").mkdir()
    for name, root in pki.roots().items():
        chains.write(f"roots/{name}.pem", root.pem)
    Chains(chains, pki).make()
    chains.finish()
    staples = Folder("staples", f"OCSP responses that signer-ocsp lists, DER. {_MEMBERS}", **world)
    Staples(staples, pki).make()
    staples.finish()
    facts = Folder("metadata", f"Metadata of the instance in IMDS; null is a 404. {_MEMBERS}", **world)
    metadata.make(facts)
    facts.finish()
    users = Folder("users", "The names of OS users. No key is pushed for any of them.", **{**world, "blocks": None})
    metadata.make_users(users)
    users.finish()
    messages = Folder("protocol", "Messages between client and daemon; `request` and `answer` are in hexadecimal.")
    protocol.make(messages)
    messages.finish()


_NO_OCSP = {"trust": {"require_ocsp": "no"}}

if __name__ == "__main__":
    main()
