import Control
import RetinueCommands

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
            },
            "/api/v1/plan": {
              "get": {
                "operationId": "plan",
                "summary": "Everything that has to be at the destination for a program's group to run there",
                "parameters": [
                  { "name": "quiet", "in": "query", "description": "A file last written less than so many seconds before the end of the records is still being written", "schema": { "type": "integer", "minimum": 0, "maximum": 999999999, "default": \(Int(ServedGraph.quiet)) } },
                  { "name": "require", "in": "query", "description": "Leave out what no record says", "schema": { "enum": ["exact"] } },
                  \(variation)
                ],
                "responses": {
                  "200": { "description": "The plan, retinue-plan/1", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Plan" } } } },
                  \(problems("400", "401", "404", "409", "422", "503", "default"))
                }
              }
            },
            "/api/v1/simulate": {
              "get": {
                "operationId": "simulate",
                "summary": "What would break if a program, or its group, ran on another host; nothing is moved",
                "parameters": [
                  { "name": "to", "in": "query", "required": true, "description": "Id, name or address of a host; * is one that nobody observes", "example": "*", "schema": { "$ref": "#/components/schemas/Name" } },
                  { "name": "scope", "in": "query", "description": "The program alone, or all programs of its group", "schema": { "enum": [\(scopes)], "default": "program" } },
                  { "name": "limit", "in": "query", "description": "Of each list", "schema": { "type": "integer", "minimum": 1, "maximum": \(Simulation.most), "default": \(Simulation.some) } },
                  \(variation)
                ],
                "responses": {
                  "200": { "description": "What would break, retinue-simulation/1", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Simulation" } } } },
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
              "Plan": {
                "type": "object",
                "required": ["schema", "program", "made", "hosts"],
                "properties": {
                  "schema": { "const": "retinue-plan/1" },
                  "program": { "type": "string" },
                  "made": { "$ref": "#/components/schemas/Time" },
                  "hosts": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                      "type": "object",
                      "required": ["host", "programs", "packages", "entries", "ports", "endpoints", "unknown"],
                      "properties": {
                        "host": { "type": "string" },
                        "unknown": { "type": "array", "items": { "type": "string" } }
                      }
                    }
                  }
                }
              },
              "Records": {
                "type": "array",
                "description": "Where the records behind it are: with which host's daemon, and their change number where the input states it",
                "items": {
                  "type": "object",
                  "required": ["host"],
                  "properties": { "host": { "type": "string" }, "change": { "type": "integer", "minimum": 1 } },
                  "additionalProperties": false
                }
              },
              "Simulation": {
                "type": "object",
                "required": ["schema", "program", "scope", "to", "moved", "reconnects", "become_local", "inside", "torn", "copy", "downtime_ms", "needed", "hosts"],
                "properties": {
                  "schema": { "const": "retinue-simulation/1" },
                  "program": { "type": "string" },
                  "scope": { "enum": [\(scopes)] },
                  "to": {
                    "description": "null for a host that nobody observes",
                    "oneOf": [
                      { "type": "null" },
                      { "type": "object", "required": ["id"], "properties": { "id": { "type": "string" }, "name": { "type": "string" } }, "additionalProperties": false }
                    ]
                  },
                  "moved": {
                    "type": "object",
                    "required": ["total", "programs"],
                    "properties": { "total": { "$ref": "#/components/schemas/Counter" }, "programs": { "type": "array", "items": { "type": "string" } } }
                  },
                  "reconnects": {
                    "description": "Connections with what stays, which have to lead elsewhere",
                    "type": "object",
                    "required": ["total", "bytes", "connections"],
                    "properties": {
                      "total": { "$ref": "#/components/schemas/Counter" },
                      "bytes": { "$ref": "#/components/schemas/Counter" },
                      "connections": {
                        "type": "array",
                        "items": {
                          "type": "object",
                          "required": ["client", "server", "moves", "bytes", "records"],
                          "properties": {
                            "client": { "type": "string" },
                            "server": { "type": "string" },
                            "at": { "type": "string" },
                            "moves": { "description": "The one that moves; of a server the clients need the new address", "enum": ["client", "server"] },
                            "bytes": { "$ref": "#/components/schemas/Counter" },
                            "evidence": { "enum": ["exact", "snapshot", "inferred"] },
                            "records": { "$ref": "#/components/schemas/Records" }
                          },
                          "additionalProperties": false
                        }
                      }
                    }
                  },
                  "become_local": { "description": "Connections with programs of the destination", "$ref": "#/components/schemas/Counter" },
                  "inside": { "description": "Connections of different hosts that both move", "$ref": "#/components/schemas/Counter" },
                  "torn": {
                    "description": "What cannot be shared across hosts",
                    "type": "object",
                    "required": ["total", "shared"],
                    "properties": {
                      "total": { "$ref": "#/components/schemas/Counter" },
                      "shared": {
                        "type": "array",
                        "items": {
                          "type": "object",
                          "required": ["moved", "stays", "relation", "records"],
                          "properties": {
                            "moved": { "type": "string" },
                            "stays": { "type": "string" },
                            "over": { "type": "string" },
                            "relation": { "enum": ["file", "ipc", "connect", "accept"] },
                            "records": { "$ref": "#/components/schemas/Records" }
                          },
                          "additionalProperties": false
                        }
                      }
                    }
                  },
                  "copy": {
                    "type": "object",
                    "required": ["files", "final_copy", "bytes", "unmeasured"],
                    "additionalProperties": { "$ref": "#/components/schemas/Counter" }
                  },
                  "downtime_ms": { "description": "Of the final copy at 100 MiB/s; null where sizes of its files are not known", "type": ["integer", "null"], "minimum": 0 },
                  "needed": { "description": "Members that have to move for nothing to break", "$ref": "#/components/schemas/Counter" },
                  "hosts": {
                    "type": "array",
                    "items": {
                      "type": "object",
                      "required": ["host", "gap_count", "gaps"],
                      "properties": {
                        "host": { "type": "string" },
                        "from": { "$ref": "#/components/schemas/Time" },
                        "to": { "$ref": "#/components/schemas/Time" },
                        "gap_count": { "$ref": "#/components/schemas/Counter" },
                        "gaps": { "type": "array", "maxItems": 50, "items": { "type": "object", "required": ["source", "cause", "from", "to"] } }
                      },
                      "additionalProperties": false
                    }
                  }
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

    private static let scopes = Simulation.Scope.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")

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
