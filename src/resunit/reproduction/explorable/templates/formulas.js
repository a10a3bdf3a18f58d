// The paper's formulas for L equal units. Products are kept as their log10: 0.5^2000 would be no number.

const DROPOUT_KEEPS = 0.5;
const sigmoid = x => 1 / (1 + Math.exp(-x));

// What a unit multiplies its two paths by, as far as the bias of a gate decides it. The factor of a shortcut is null
// where h' is a matrix: no single number stands for it.
function factorsOf({shortcut, lambda, bias}) {
  switch (shortcut) {
    case "constant-scaling": return {shortcut: lambda, branch: 1};  // Eq. (6)
    case "shortcut-only-gating": return {shortcut: sigmoid(-bias), branch: 1};  // 1 - g
    case "exclusive-gating": return {shortcut: sigmoid(-bias), branch: sigmoid(bias)};  // 1 - g and g
    case "dropout-shortcut": return {shortcut: DROPOUT_KEEPS, branch: 1};  // in expectation
    case "conv-shortcut": return {shortcut: null, branch: 1};
    default: return {shortcut: 1, branch: 1};  // Eq. (3)
  }
}

const logPower = (factor, count) => count === 0 ? 0 : count * Math.log10(factor);
const places = count => Array.from({length: count + 1}, (_, place) => place);

// Eq. (7): the factor of x_0 in x_l; with the factor 1 it is Eq. (4).
const forwardTerms = (factor, units) => places(units).map(l => logPower(factor, l));

// Eq. (8): the factor of dE/dx_L in dE/dx_l; with the factor 1 it is Eq. (5).
const backwardTerms = (factor, units) => places(units).map(l => logPower(factor, units - l));

// Eq. (7) for l = 0: the factors of x_0 and of each residual, the first unit's first, in x_L.
const weightsInTheLast = (factors, units) => places(units).map(
  l => logPower(factors.shortcut, units - l) + (l === 0 ? 0 : Math.log10(factors.branch)));
