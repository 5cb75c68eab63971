import MoveGroup
import PackageFiles
import Records

/// Advice as `retinue-advice/1` (docs/advice-format.md).
struct AdviceJSON {
    private let graph: DependencyGraph

    static func document(_ group: MoveGroup, _ hosts: [MeasuredAdvice]) -> [UInt8] {
        var out = JSONWriter()
        let writer = AdviceJSON(graph: group.graph)
        out.object { out in
            out.member("schema", text: "retinue-advice/1")
            out.member("mode", word: group.options.isSymmetric ? "symmetric" : "directed")
            out.array("hosts", hosts) { out, host in
                writer.append(host.advice, to: &out)
                append(host.measure, to: &out)
            }
        }
        out.endDocument()
        return out.bytes
    }

    // MARK: Advice

    private func append(_ advice: IsolationAdvice, to out: inout JSONWriter) {
        let host = graph[advice.host]
        out.member("host", text: host.id)
        if !host.name.isEmpty { out.member("name", text: host.name) }
        if let advised = advice.advised {
            out.member("advice", word: advised.word)
        } else {
            out.member("advice", textOrNull: nil)
        }
        out.member("programs", number: advice.uses.programs.count)
        out.member("stops", number: advice.uses.stops)
        out.member("files", number: advice.uses.files.count)
        out.member("written_files", number: advice.uses.writtenFiles)
        out.member("entries", number: advice.uses.entries.count)
        out.array("workloads", advice.uses.workloads) { $0.member("workload", bytes: $1) }
        out.array("uses", advice.uses.findings) { append($1, to: &$0) }
        out.array("candidates", advice.verdicts) { out, verdict in
            out.member("candidate", word: verdict.candidate.word)
            out.member("isolates", flag: verdict.objections.isEmpty)
            out.array("objections", verdict.objections) { out, objection in
                out.member("reason", word: objection.reason)
                append(objection.finding, to: &out)
            }
            out.array("conditions", verdict.conditions) { out, condition in
                out.member("condition", word: condition.text)
                append(condition.finding, to: &out)
            }
        }
        out.array("namespaces", advice.namespaces) { out, namespace in
            out.member("namespace", text: namespace.kind.rawValue)
            out.member("need", text: namespace.need.rawValue)
            out.member("reason", word: namespace.reason)
            if let finding = namespace.finding { append(finding, to: &out) }
        }
    }

    private func append(_ finding: HostUses.Finding, to out: inout JSONWriter) {
        out.member("use", word: finding.use.kind.word)
        out.member("reach", word: finding.use.reach.word)
        out.member("count", number: finding.objects.count)
        out.object("example") { out in
            append("program", finding.example.program, to: &out)
            append("object", finding.example.object, to: &out)
            if let peer = finding.example.peer { append("peer", peer, to: &out) }
        }
        // Which devices there are is what has to be given to a container.
        switch finding.use.kind {
        case .device, .hardware, .disk:
            out.array("objects", finding.objects) { out, node in
                out.member("path", bytes: graph.name(of: node))
            }
        default: break
        }
    }

    private func append(_ key: StaticString, _ node: NodeID, to out: inout JSONWriter) {
        out.object(key) { out in
            out.member("kind", word: graph.kind(node).word)
            out.member("name", bytes: graph.name(of: node))
            if case .program(let name) = graph[node], !name.workload.isEmpty {
                out.member("workload", bytes: name.workload)
            }
        }
    }

    // MARK: Sizes

    /// What was measured of a host.
    static func append(_ measure: HostMeasure, to out: inout JSONWriter) {
        out.object("sizes") { out in
            out.member("paths", number: measure.paths)
            guard let root = measure.root else {
                out.member("root", textOrNull: nil)
                return
            }
            out.member("root", text: root)
            append("chroot", measure.files, to: &out)
            if let destination = measure.destination {
                out.member("destination", text: destination.root)
                append("equal_there", destination.equal, to: &out)
            }
            if let base = measure.withBase {
                append("container", base, to: &out)
                out.member("base_packages", number: measure.basePackages)
            } else {
                out.member("container", textOrNull: nil)
            }
            append(measure.system, to: &out)
        }
        if let remark = measure.remark { out.member("remark", text: remark) }
        append(paths: "missing", measure.files.missing, to: &out)
        append(paths: "unreadable", measure.files.unreadable, to: &out)
        if let packages = measure.packages {
            append(packages, to: &out)
        } else {
            out.member("packages", textOrNull: nil)
        }
    }

    private static func append(_ key: StaticString, _ sizes: FileSizes, to out: inout JSONWriter) {
        out.object(key) { out in
            out.member("bytes", number: sizes.regular.apparent)
            out.member("allocated", number: sizes.regular.allocated)
            out.member("files", number: sizes.regular.count)
            out.member("directories", number: sizes.directories.count)
            out.member("links", number: sizes.symbolicLinks.count)
        }
    }

    private static func append(_ system: HostMeasure.System, to out: inout JSONWriter) {
        switch system {
        case .usage(let used):
            out.object("virtual_machine") { out in
                out.member("measured", text: "filesystem")
                out.member("bytes", number: used)
            }
        case .walk(let sizes, let leftOut):
            out.object("virtual_machine") { out in
                out.member("measured", text: "walk")
                out.member("bytes", number: sizes.regular.apparent)
                out.member("allocated", number: sizes.regular.allocated)
                out.member("files", number: sizes.regular.count)
                out.member("mounts_left_out", number: leftOut)
                out.member("unreadable", number: sizes.unreadable.count)
            }
        case .unknown: out.member("virtual_machine", textOrNull: nil)
        }
    }

    private static func append(paths key: StaticString, _ paths: [[UInt8]], to out: inout JSONWriter) {
        out.array(key, paths) { $0.member("path", bytes: $1) }
    }

    private static func append(_ packages: PackageUse, to out: inout JSONWriter) {
        out.array("packages", packages.used) { out, used in
            out.member("name", text: used.name)
            out.member("version", text: used.version)
            out.member("files", number: used.files)
            out.member("owned", number: used.owned)
            out.member("bytes", number: used.bytes)
            out.member("owned_bytes", number: used.ownedBytes)
        }
        append(paths: "unpackaged", packages.unpackaged, to: &out)
        append(paths: "modified", packages.modified, to: &out)
        append(paths: "modified_configuration", packages.modifiedConfiguration, to: &out)
        append(paths: "unverified", packages.unverified, to: &out)
        append("whole_packages", packages.whole, to: &out)
        append("left_to_copy", packages.copied, to: &out)
    }
}
