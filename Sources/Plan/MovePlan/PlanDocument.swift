public import Records

/// The plan as a tree of values, which both of its texts, YAML and JSON, are made of and read from.
public enum PlanDocument {
    /// Why a text is no plan.
    public struct Flaw: Error, Equatable, Sendable, CustomStringConvertible {
        /// Where: `hosts[0].entries[3].treatment`.
        public var place: String
        /// What is wrong there.
        public var problem: String

        /// `place: problem`.
        public var description: String { place.isEmpty ? problem : "\(place): \(problem)" }
    }

    // MARK: Writing

    /// The tree of a plan.
    public static func value(_ plan: Plan) -> JSONValue {
        object([
            ("schema", .string(Plan.schema)), ("program", .string(plan.program)),
            ("made", .string(Timestamp.text(plan.made))), ("hosts", .array(plan.hosts.map(value))),
        ])
    }

    private static func value(_ host: HostPlan) -> JSONValue {
        object([
            ("host", .string(host.id)), ("name", host.name.isEmpty ? nil : .string(host.name)),
            (
                "observed",
                host.observed.upperBound == 0
                    ? nil
                    : object([
                        ("from", .string(Timestamp.text(host.observed.lowerBound))),
                        ("to", .string(Timestamp.text(host.observed.upperBound))),
                        ("gaps", .integer(Int128(host.gaps))),
                    ])
            ),
            (
                "isolation",
                host.isolation.map {
                    object([
                        ("choice", .string($0.choice)), ("reasons", .array($0.reasons.map { .string($0) })),
                    ])
                }
            ), ("programs", .array(host.programs.map(value))), ("packages", .array(host.packages.map(value))),
            ("consistency", host.consistency.map(value)), ("move", host.move.map(value)),
            ("entries", .array(host.entries.map(value))), ("accounts", .array(host.accounts.map(value))),
            ("services", .array(host.services.map(value))), ("ports", .array(host.ports.map(value))),
            ("endpoints", .array(host.endpoints.map(value))),
            ("first_used", host.firstUsed.isEmpty ? nil : .array(host.firstUsed.map(path))),
            ("unknown", .array(host.unknown.map { .string($0) })),
        ])
    }

    private static func value(_ consistency: Consistency) -> JSONValue {
        object([
            ("way", .string(consistency.way.rawValue)),
            ("before", consistency.before.isEmpty ? nil : .string(consistency.before)),
            ("after", consistency.after.isEmpty ? nil : .string(consistency.after)),
        ])
    }

    private static func value(_ move: PlannedMove) -> JSONValue {
        func text(_ text: String?) -> JSONValue? { text.map { .string($0) } }
        return object([
            ("from", text(move.source?.text)), ("to", text(move.destination.text)),
            ("address", text(move.address)), ("confirm", text(move.confirm)), ("start", text(move.start)),
            ("isolation", text(move.isolation)), ("forward", move.forwards ? .boolean(true) : nil),
        ])
    }

    private static func value(_ program: PlannedProgram) -> JSONValue {
        object([
            ("executable", path(program.executable)),
            ("script", program.script.isEmpty ? nil : path(program.script)),
            ("workload", program.workload.isEmpty ? nil : path(program.workload)),
            ("since", program.since == 0 ? nil : .string(Timestamp.text(program.since))),
            ("start", .string(program.isStartObserved ? "observed" : "before")),
            ("stop", program.isStop ? .boolean(true) : nil),
            ("order", program.order.map { .integer(Int128($0)) }),
            (
                "writes",
                program.writes.map {
                    object([
                        ("bytes", .integer(Int128($0.bytes))), ("seconds", .integer(Int128($0.seconds))),
                    ])
                }
            ), ("process", program.process.map(value)),
            ("reason", .string(program.reason)),
        ])
    }

    private static func value(_ process: PlannedProcess) -> JSONValue {
        object([
            ("arguments", .array(process.arguments.map(path))), ("folder", path(process.folder)),
            ("user", .integer(Int128(process.user))), ("group", .integer(Int128(process.group))),
            ("groups", .array(process.groups.map { .integer(Int128($0)) })),
            ("capabilities", .string(process.capabilities)),
            ("environment", .array(process.environment.map(path))),
            ("limits", process.limits.isEmpty ? nil : .array(process.limits.map(value))),
        ])
    }

    private static func value(_ limit: ProcessSettings.Limit) -> JSONValue {
        object([
            ("resource", .string(limit.resource)), ("soft", limit.soft.map { .integer(Int128($0)) }),
            ("hard", limit.hard.map { .integer(Int128($0)) }),
        ])
    }

    private static func value(_ package: PlannedPackage) -> JSONValue {
        object([
            ("system", .string(package.system)), ("name", .string(package.name)),
            ("version", .string(package.version)), ("folder", package.folder.map(path)),
            ("source", package.source.map { .string($0) }),
            ("integrity", package.integrity.map { .string($0) }),
            ("copied", package.isCopied ? .boolean(true) : nil), ("reason", .string(package.reason)),
        ])
    }

    private static func value(_ entry: PlannedEntry) -> JSONValue {
        object([
            ("path", path(entry.path)), ("kind", .string(entry.kind.rawValue)),
            ("treatment", .string(entry.treatment.rawValue)), ("ground", .string(entry.ground.rawValue)),
            ("reason", .string(entry.reason)), ("target", entry.target.map(path)),
            ("bytes", entry.bytes.map { .integer(Int128($0)) }),
            ("files", entry.files.map { .integer(Int128($0)) }),
            ("unopened", entry.unopened.map { .integer(Int128($0)) }),
            ("user", entry.owner.map { .integer(Int128($0.user)) }),
            ("group", entry.owner.map { .integer(Int128($0.group)) }),
            ("mode", entry.owner.map { .string("0" + String($0.mode, radix: 8)) }),
        ])
    }

    private static func value(_ account: PlannedAccount) -> JSONValue {
        object([
            ("kind", .string(account.isUser ? "user" : "group")), ("name", .string(account.name)),
            ("number", .integer(Int128(account.number))),
            ("destination", account.destination.map { .integer(Int128($0)) }),
            ("group", account.group.map { .integer(Int128($0)) }),
            ("home", account.home.map(path)), ("shell", account.shell.map(path)),
        ])
    }

    private static func value(_ service: PlannedService) -> JSONValue {
        object([
            ("kind", .string(service.kind)), ("name", .string(service.name)),
            ("files", .array(service.files.map(path))),
        ])
    }

    private static func value(_ port: PlannedPort) -> JSONValue {
        object([("address", .string(port.address)), ("program", path(port.program))])
    }

    private static func value(_ endpoint: PlannedEndpoint) -> JSONValue {
        object([
            ("address", .string(endpoint.address)), ("program", path(endpoint.program)),
            ("direction", .string(endpoint.isOutgoing ? "out" : "in")),
            ("count", .integer(Int128(endpoint.count))),
        ])
    }

    private static func path(_ bytes: [UInt8]) -> JSONValue { .string(PlanText.text(bytes)) }

    private static func object(_ members: [(String, JSONValue?)]) -> JSONValue {
        .object(members.compactMap { key, value in value.map { .init(key, $0) } })
    }
}
