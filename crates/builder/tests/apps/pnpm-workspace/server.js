const { existsSync, readFileSync } = require('fs');
const answer = `${require('greet')('you')}, built ${readFileSync('built', 'utf8')} is-odd ${existsSync('node_modules/is-odd')}`;
require('http').createServer((request, response) => response.end(answer)).listen(process.env.PORT);
