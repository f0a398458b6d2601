module.exports = (name) => `Hello${require('left-pad')(name, 6)}`;
