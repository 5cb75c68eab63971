import Control

/// The description of `/api/v1` (OpenAPI 3.1).
enum OpenAPI {
    static let document = """
        {
          "openapi": "3.1.0",
          "info": {
            "title": "Retinue",
            "summary": "What has to move with a program, and why",
            "version": "\(retinueVersion)",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
          },
          "servers": [ { "url": "/" } ],
          "security": [ {}, { "token": [] } ],
          "paths": {
            "/api/v1/openapi.json": {
              "get": {
                "operationId": "description",
                "summary": "This document",
                "responses": {
                  "200": { "description": "The document", "content": { "application/json": { "schema": { "type": "object", "required": ["openapi"] } } } },
                  \(problems("400", "401", "default"))
                }
              }
            },
            "/api/v1/status": {
              "get": {
                "operationId": "status",
                "summary": "What was read, and when",
                "responses": {
                  "200": { "description": "The state", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Status" } } } },
                  \(problems("400", "401", "503", "default"))
                }
              }
            },
            "/api/v1/programs": {
              "get": {
                "operationId": "programs",
                "summary": "Programs in whose names all words are",
                "parameters": [
                  { "name": "q", "in": "query", "description": "Words, parted by blanks, in any case", "schema": { "$ref": "#/components/schemas/Name" } },
                  { "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 50 } },
                  { "name": "offset", "in": "query", "schema": { "type": "integer", "minimum": 0, "maximum": 1000000000, "default": 0 } }
                ],
                "responses": {
                  "200": { "description": "Some of them", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Programs" } } } },
                  \(problems("400", "401", "503", "default"))
                }
              }
            },
            "/api/v1/group": {
              "get": {
                "operationId": "group",
                "summary": "Everything that has to move with a program, with the reason of each member",
                "parameters": [ \(variation) ],
                "responses": {
                  "200": { "description": "The group, retinue-group/1", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Group" } } } },
                  \(problems("400", "401", "404", "409", "422", "503", "default"))
                }
              }
            },
            "/api/v1/why": {
              "get": {
                "operationId": "why",
                "summary": "Why something moves with a program: the chain of dependencies",
                "parameters": [
                  { "name": "member", "in": "query", "required": true, "description": "A program, file, address or object, written as for retinue group", "example": "/etc/nginx/nginx.conf", "schema": { "$ref": "#/components/schemas/Name" } },
                  \(variation)
                ],
                "responses": {
                  "200": { "description": "A chain for each member that is meant, retinue-why/1", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Why" } } } },
                  \(problems("400", "401", "404", "409", "422", "503", "default"))
                }
              }
            }
          },
          "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": {
              "Problem": {
                "description": "Why there is no answer",
                "content": {
                  "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
                  "text/plain": { "schema": { "type": "string" } }
                }
              }
            },
            "schemas": {
              "Name": { "type": "string", "minLength": 1, "maxLength": \(Parameters.longestValue), "pattern": "^[^\\\\x00]+$" },
              "Time": { "type": "string", "format": "date-time" },
              "Counter": { "type": "integer", "minimum": 0 },
              "Problem": {
                "type": "object",
                "required": ["title", "status", "detail"],
                "properties": {
                  "title": { "type": "string" },
                  "status": { "type": "integer" },
                  "detail": { "type": "string" },
                  "choices": { "type": "array", "items": { "type": "string" } }
                },
                "additionalProperties": false
              },
              "Status": {
                "type": "object",
                "required": ["read", "nodes", "dependencies", "programs", "stale", "hosts", "inputs"],
                "properties": {
                  "read": { "$ref": "#/components/schemas/Time" },
                  "nodes": { "$ref": "#/components/schemas/Counter" },
                  "dependencies": { "$ref": "#/components/schemas/Counter" },
                  "programs": { "$ref": "#/components/schemas/Counter" },
                  "stale": { "type": "boolean", "description": "Whether the last reading failed, so that these are the records before" },
                  "hosts": {
                    "type": "array",
                    "items": {
                      "type": "object",
                      "required": ["id", "gaps"],
                      "properties": {
                        "id": { "type": "string" },
                        "name": { "type": "string" },
                        "from": { "$ref": "#/components/schemas/Time" },
                        "to": { "$ref": "#/components/schemas/Time" },
                        "gaps": { "$ref": "#/components/schemas/Counter" }
                      }
                    }
                  },
                  "inputs": {
                    "type": "array",
                    "items": {
                      "type": "object",
                      "required": ["rows", "skipped"],
                      "properties": {
                        "rows": { "$ref": "#/components/schemas/Counter" },
                        "skipped": { "$ref": "#/components/schemas/Counter" }
                      }
                    }
                  }
                }
              },
              "Programs": {
                "type": "object",
                "required": ["total", "offset", "programs"],
                "properties": {
                  "total": { "$ref": "#/components/schemas/Counter" },
                  "offset": { "$ref": "#/components/schemas/Counter" },
                  "programs": {
                    "type": "array",
                    "items": {
                      "type": "object",
                      "required": ["name"],
                      "properties": {
                        "name": { "type": "string", "description": "As /api/v1/group takes it, for just this program" },
                        "host": { "type": "string" },
                        "executable": { "type": "string" },
                        "script": { "type": "string" },
                        "workload": { "type": "string" },
                        "path": { "type": "string" }
                      }
                    }
                  }
                }
              },
              "Node": {
                "type": "object",
                "required": ["kind"],
                "properties": {
                  "kind": { "enum": ["program", "file", "endpoint", "channel", "entry"] },
                  "host": { "type": "string" }
                }
              },
              "Group": {
                "type": "object",
                "required": ["schema", "mode", "start", "hosts", "members", "boundary", "totals"],
                "properties": {
                  "schema": { "const": "retinue-group/1" },
                  "mode": { "enum": ["directed", "symmetric"] },
                  "start": { "type": "array", "items": { "$ref": "#/components/schemas/Node" } },
                  "hosts": { "type": "array", "items": { "type": "object", "required": ["id", "gaps"] } },
                  "members": {
                    "type": "object",
                    "required": ["programs", "files", "endpoints", "channels", "entries"],
                    "additionalProperties": { "type": "array", "items": { "$ref": "#/components/schemas/Node" } }
                  },
                  "boundary": { "type": "object", "required": ["crossings", "endpoints"] },
                  "totals": { "type": "object", "additionalProperties": { "$ref": "#/components/schemas/Counter" } }
                }
              },
              "Why": {
                "type": "object",
                "required": ["schema", "chains"],
                "properties": {
                  "schema": { "const": "retinue-why/1" },
                  "chains": {
                    "type": "array",
                    "items": { "type": "array", "items": { "$ref": "#/components/schemas/Node" } }
                  }
                }
              }
            }
          }
        }

        """

    /// References to the one form of problems.
    private static func problems(_ statuses: String...) -> String {
        statuses.map { "\"\($0)\": { \"$ref\": \"#/components/responses/Problem\" }" }.joined(separator: ", ")
    }

    private static let variation =
        [
            parameter("program", isRequired: true, "What is to be moved, written as for retinue group"),
            list("stop_at", "Let it join and follow nothing beyond"),
            list("include", "Follow it whatever the rules say"), list("exclude", "Do not let it join"),
        ].joined(separator: ",\n          ")

    private static func parameter(_ name: String, isRequired: Bool, _ text: String) -> String {
        "{ \"name\": \"\(name)\", \"in\": \"query\", \"required\": \(isRequired), \"description\": \"\(text)\", "
            + "\"example\": \"nginx\", "
            + "\"schema\": { \"$ref\": \"#/components/schemas/Name\" } }"
    }

    private static func list(_ name: String, _ text: String) -> String {
        "{ \"name\": \"\(name)\", \"in\": \"query\", \"description\": \"\(text)\", \"style\": \"form\", "
            + "\"explode\": true, \"schema\": { \"type\": \"array\", \"maxItems\": 64, "
            + "\"items\": { \"$ref\": \"#/components/schemas/Name\" } } }"
    }
}
