"""What a reader has to know of each statement before the numbers: why the paper makes it, and what is measured.

Nothing here says what was measured; those sentences are computed.
"""

from collections.abc import Mapping

INTRODUCTION = (
    "A residual network is a chain of units.",
    "Each unit adds two paths: y_l = h(x_l) + F(x_l), and then x_{l+1} = f(y_l).",
    "x_l is the value that enters unit l; all these values together are the stream.",
    "The shortcut h carries x_l past the weights; the branch F consists of the weight layers, usually two convolutions "
    "with batch normalisation (BN) and ReLU; f is the activation after the addition.",
    "In the first residual networks h is the identity and f is ReLU.",
    "The paper asks what happens if f is the identity too, and what happens if h is not.",
    "E is the loss, and dE/dx_l is its gradient at x_l, which training needs at every depth.",
    "A stage is a series of units whose feature maps have one size.",
)

TITLES_OF_GROUPS: Mapping[str, str] = {
    "Section 2": "Section 2: a sum, and a direct path",
    "Section 3": "Section 3: other shortcuts",
    "Section 4.1": "Section 4.1: where the activations stand",
    "Section 4.2": "Section 4.2: why full pre-activation is better",
}

OF_GROUP: Mapping[str, tuple[str, ...]] = {
    "Section 2": (
        "If h and f are identities, x_{l+1} = x_l + F(x_l).",
        "Put into itself again and again, this equation gives the value at any depth, and by the chain rule the "
        "gradient.",
        "These two formulas are the core of the paper.",
    ),
    "Section 3": (
        "The paper now changes the shortcut h and keeps everything else.",
        "Scaling, gates, 1x1 convolutions and dropout each put something onto the direct path.",
    ),
    "Section 4.1": (
        "Now h is the identity, and the activations move.",
        "ReLU and BN can stand after the addition, at the end of the branch, or before the weight layers, which is "
        "called pre-activation.",
        "Of these places only the ones after the addition make f something else than the identity.",
    ),
    "Section 4.2": (
        "The paper gives two reasons why full pre-activation is better.",
        "Training is easier because f is the identity, and the trained net is better on new images because BN "
        "normalises what every weight layer gets.",
    ),
}

OF_STATEMENT: Mapping[str, tuple[str, ...]] = {
    "sum-not-product": (
        "Put one unit into the next: x_{l+2} = x_{l+1} + F(x_{l+1}) = x_l + F(x_l) + F(x_{l+1}).",
        "So every later value is x_l with all residuals in between added to it.",
        "A plain net has no shortcuts; BN and ReLU apart, its value is a product of weight matrices with x_l, and a "
        "product of many factors explodes or vanishes.",
        "Here are the terms of one stage, and beside them the product of the same weight layers.",
    ),
    "direct-term-between-any-units": (
        "The derivative of a sum is a sum.",
        "The 1 in the bracket is the direct term: it takes the gradient from unit L to unit l past all weight layers.",
        "It is measured as the gradient that is left at x_l if no branch passes any.",
    ),
    "gradient-does-not-vanish": (
        "The gradient is the direct term plus the rest, which goes through weights.",
        "For the sum to vanish, the rest would have to be -1 times the direct term for all samples of a batch.",
        "Small weights make the rest small and leave the direct term as it is; in a plain net they make the whole "
        "gradient small.",
    ),
    "exact-for-identities": (
        "If f is ReLU, it changes the stream behind each addition, and the sum no longer closes.",
        "Where the feature maps change size, the shortcut cannot be the identity.",
        "The paper has few such units, so its formulas hold within each stage.",
    ),
    "scaling-multiplies-lambdas": (
        "Let the shortcut be h(x) = lambda x.",
        "The direct term is then multiplied by one lambda for each unit.",
        "Over many units the product vanishes if lambda is below 1 and explodes if it is above 1.",
        "f = ReLU takes a further part of it.",
    ),
    "other-shortcuts-multiply-derivatives": (
        "For any other shortcut the chain rule multiplies the derivatives h' of all units.",
        "Gates, 1x1 convolutions and dropout therefore change the direct term at every unit.",
        "The table follows the gradient from the end of the first stage to its second unit, through the shortcuts "
        "alone and with f.",
        "It is measured exactly; how well h(x) is a multiple of x (R^2) says nothing about it.",
    ),
    "half-scaling-and-plain-do-not-converge": (
        "If the product of the scales is nearly zero, little of the gradient reaches the first units.",
        "Only training can show what follows from that.",
    ),
    "halves-converge-higher": (
        "If the branch is halved as well, the ratio of the two paths is that of the original unit.",
        "The direct term is still a product of halves.",
    ),
    "exclusive-gating-depends-on-bias": (
        "A gate g(x) between 0 and 1 shares the sum between both paths.",
        "The bias of its layer decides how open the gate is when training begins.",
    ),
    "exclusive-gating-has-two-roles": (
        "A large negative bias makes 1 - g nearly 1, so the shortcut is nearly the identity.",
        "The same gate then scales the branch by nearly 0, so the unit hardly computes anything.",
        "Neither end is good.",
    ),
    "shortcut-only-gating-needs-its-bias": (
        "If the gate scales the shortcut alone, a bias of -6 makes the shortcut nearly the identity and leaves the "
        "branch whole.",
        "With bias 0 the shortcut begins at about one half.",
    ),
    "conv-shortcut-suits-few-units": (
        "A 1x1 convolution can learn more than the identity.",
        "With few units that can even help; with many the product of their matrices stands on the direct path.",
    ),
    "dropout-is-scaling-in-expectation": (
        "Dropout sets each value of the shortcut to zero with probability 0.5.",
        "On average that is a scale of 0.5, and so is its effect on the direct term over many units.",
    ),
    "optimisation-not-representation": (
        "Gates and 1x1 convolutions contain the identity as a special case, so these nets can represent all that the "
        "original can.",
        "If their training error is higher, the reason is that they are harder to train.",
    ),
    "bn-after-addition-alters-the-signal": (
        "BN behind the addition normalises the sum of both paths.",
        "So it scales the shortcut's signal too, and the gradient on the direct path with it.",
    ),
    "bn-after-addition-slows": (
        "What stands on the direct path should show in training, from its beginning on.",
    ),
    "relu-before-addition-only-grows": (
        "A unit with f = identity can be made by moving ReLU before the addition.",
        "The branch then ends in ReLU and returns nothing below zero, where a residual should take any value.",
        "So the stream can only become larger from unit to unit.",
    ),
    "relu-before-addition-is-worse": ("A stream that only grows restricts what the network can represent.",),
    "relu-only-preactivation-is-similar": (
        "With ReLU before the weight layers f is the identity and the branch can return any value.",
        "The ReLU is not preceded by BN, though.",
    ),
    "relu-only-preactivation-lacks-bn": (
        "The root mean square of what the first weight layer of each branch takes shows whether it is normalised.",
        "Normalised values have about the same size at all depths.",
    ),
    "full-preactivation-is-better": (
        "Full pre-activation puts BN and ReLU before each weight layer.",
        "f is the identity, the branch can return any value, and every weight layer gets normalised values.",
    ),
    "full-preactivation-gains-with-depth": (
        "The more units there are, the more often f = ReLU stands on the direct path of the original net.",
    ),
    "very-deep-learns-fast": (
        "In a net of 1001 layers the original has hundreds of ReLUs on its direct path.",
        "Each blocks the gradient where the sum is below zero.",
    ),
    "very-deep-ends-lowest": (
        "If a deep net is easy to train, its greater capacity shows as a lower training loss.",
    ),
    "relu-harms-little-with-fewer-layers": (
        "With 164 layers training with f = ReLU suffers a little at the beginning and then recovers.",
        "The curves here are of a brief training on the sample, the verdicts of recorded runs.",
    ),
    "truncation-needs-a-very-negative-branch": (
        "Behind ReLU x_l is never below zero.",
        "So the sum is below zero, and ReLU truncates it, only where the branch is more negative than x_l is large.",
        "That is rarer than a negative branch, and it cuts small values.",
    ),
    "truncation-becomes-rarer": (
        "The paper observes that training moves the weights to where the sum is mostly above zero.",
        "P(y < 0) is the share of values of y below zero.",
    ),
    "truncation-grows-with-depth": ("The more units there are, the more truncation there is along the way.",),
    "preactivation-regularises": (
        "A regularised net fits its training images slightly less well, and new images better.",
    ),
    "preactivation-normalises-what-weights-get": (
        "In the original unit BN ends the branch, but its output is added to the shortcut, and nothing normalises the "
        "sum before the next weight layer takes it.",
        "With full pre-activation BN stands directly before each weight layer.",
        "The paper takes this for the reason of the better test error.",
    ),
}
