"""Teaching the compact network; finding nuclei needs nothing of this.

What is trained on: ``data`` (pictures and masks), ``pairs`` and ``annotated`` (a person's own),
``splits`` and ``held_out`` (what is judged by). What the network is shown: ``patches``, made by
``render`` and ``crowding``, kept by ``pool``. How it learns: ``train`` and ``run`` from many
pictures, ``finetune`` from a few. Whether it helped: ``comparison`` and ``tuned``.
"""
