# One image for every role: the role is the subcommand, the silo is in the environment.
#   docker run cellway serve --silo control
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci --no-audit --no-fund && npm run build && npm prune --omit=dev --omit=optional --no-audit --no-fund

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build --chown=node:node /app /app
USER node
EXPOSE 8000 8001
ENTRYPOINT ["node", "cli/bin/cellway.js"]
CMD ["--help"]
