const express = require('express');

const app = express();
const port = process.env.PORT || 5000;

app.get('/', (_request, response) => {
  response.type('text').send(`Hello from ${process.env.DYNO || 'your machine'}, on Node.js ${process.version}\n`);
});

const server = app.listen(port, () => console.log(`Listening on port ${port}`));

// A release or a scale-down ends this process: finish what is under way.
process.on('SIGTERM', () => server.close(() => process.exit(0)));
