# docker build -t penstock . && docker run -v ./configs:/configs penstock run /configs/user-behavior.yaml
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X github.com/penstock-io/penstock/cmd/penstock/cli.release=$VERSION" -o /penstock ./cmd/penstock

# Time zones and certificates, no shell; the user is not root.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /penstock /usr/local/bin/penstock
EXPOSE 8083
ENTRYPOINT ["penstock"]
CMD ["--help"]
