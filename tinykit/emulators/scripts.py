def render_emulation(board, meta):
    return {}
