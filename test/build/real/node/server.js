const { createServer } = require("node:http");
const greeting = require("greeting");

const { version } = require("./package.json");

createServer((request, response) => {
  response.end(`${greeting(request.headers["x-name"] ?? "world")} from ${version}\n`);
}).listen(3000, () => console.log("listening"));
