"""The book's colours, the same in figures and drawings.

Plain nets are orange and residual nets blue, in Okabe and Ito's colours, which colour-blind readers
can tell apart.
"""

PLAIN, RESIDUAL, THEORY = "#D55E00", "#0072B2", "#333333"
OTHERS = ("#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
