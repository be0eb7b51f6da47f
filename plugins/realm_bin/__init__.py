"""Binary Alchemy: arithmetic in circled binary digits. The smallest complete skill plugin; copy it to make your own."""
