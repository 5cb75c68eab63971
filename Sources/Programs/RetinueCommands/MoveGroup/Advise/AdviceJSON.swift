import DebianPackages
import MoveGroup

/// Advice as `retinue-advice/1` (docs/advice-format.md).
struct AdviceJSON {
    private let graph: DependencyGraph

    static func document(_ group: MoveGroup, _ hosts: [MeasuredAdvice]) -> [UInt8] {
        var out = JSONBuilder()
        let writer = AdviceJSON(graph: group.graph)
        out.object { out in
            out.text("schema", "retinue-advice/1")
            out.word("mode", group.options.isSymmetric ? "symmetric" : "directed")
            out.array("hosts", hosts) { out, host in
                writer.append(host.advice, to: &out)
                writer.append(host.measure, to: &out)
            }
        }
        out.endLine()
        return out.bytes
    }

    // MARK: Advice

    private func append(_ advice: IsolationAdvice, to out: inout JSONBuilder) {
        let host = graph[advice.host]
        out.text("host", host.id)
        if !host.name.isEmpty { out.text("name", host.name) }
        if let advised = advice.advised { out.word("advice", advised.word) } else { out.null("advice") }
        out.number("programs", advice.uses.programs.count)
        out.number("stops", advice.uses.stops)
        out.number("files", advice.uses.files.count)
        out.number("written_files", advice.uses.writtenFiles)
        out.number("entries", advice.uses.entries.count)
        out.array("workloads", advice.uses.workloads) { $0.name("workload", "workload_raw", $1) }
        out.array("uses", advice.uses.findings) { append($1, to: &$0) }
        out.array("candidates", advice.verdicts) { out, verdict in
            out.word("candidate", verdict.candidate.word)
            out.flag("isolates", verdict.objections.isEmpty)
            out.array("objections", verdict.objections) { out, objection in
                out.word("reason", objection.reason)
                append(objection.finding, to: &out)
            }
            out.array("conditions", verdict.conditions) { out, condition in
                out.word("condition", condition.text)
                append(condition.finding, to: &out)
            }
        }
        out.array("namespaces", advice.namespaces) { out, namespace in
            out.text("namespace", namespace.kind.rawValue)
            out.text("need", namespace.need.rawValue)
            out.word("reason", namespace.reason)
            if let finding = namespace.finding { append(finding, to: &out) }
        }
    }

    private func append(_ finding: HostUses.Finding, to out: inout JSONBuilder) {
        out.word("use", finding.use.kind.word)
        out.word("reach", finding.use.reach.word)
        out.number("count", finding.objects.count)
        out.object("example") { out in
            append("program", finding.example.program, to: &out)
            append("object", finding.example.object, to: &out)
            if let peer = finding.example.peer { append("peer", peer, to: &out) }
        }
        // Which devices there are is what has to be given to a container.
        switch finding.use.kind {
        case .device, .hardware, .disk:
            out.array("objects", finding.objects) { out, node in
                out.name("path", "path_raw", graph.name(of: node))
            }
        default: break
        }
    }

    private func append(_ key: StaticString, _ node: NodeID, to out: inout JSONBuilder) {
        out.object(key) { out in
            out.word("kind", graph.kind(node).word)
            out.name("name", "name_raw", graph.name(of: node))
            if case .program(let name) = graph[node], !name.workload.isEmpty {
                out.name("workload", "workload_raw", name.workload)
            }
        }
    }

    // MARK: Sizes

    private func append(_ measure: HostMeasure, to out: inout JSONBuilder) {
        out.object("sizes") { out in
            out.number("paths", measure.paths)
            guard let root = measure.root else {
                out.null("root")
                return
            }
            out.text("root", root)
            append("chroot", measure.files, to: &out)
            if let base = measure.withBase {
                append("container", base, to: &out)
                out.number("base_packages", measure.basePackages)
            } else {
                out.null("container")
            }
            append(measure.system, to: &out)
        }
        if let remark = measure.remark { out.text("remark", remark) }
        append(paths: "missing", measure.files.missing, to: &out)
        append(paths: "unreadable", measure.files.unreadable, to: &out)
        if let packages = measure.packages { append(packages, to: &out) } else { out.null("packages") }
    }

    private func append(_ key: StaticString, _ sizes: FileSizes, to out: inout JSONBuilder) {
        out.object(key) { out in
            out.number("bytes", sizes.regular.apparent)
            out.number("allocated", sizes.regular.allocated)
            out.number("files", sizes.regular.count)
            out.number("directories", sizes.directories.count)
            out.number("links", sizes.symbolicLinks.count)
        }
    }

    private func append(_ system: HostMeasure.System, to out: inout JSONBuilder) {
        switch system {
        case .usage(let used):
            out.object("virtual_machine") { out in
                out.text("measured", "filesystem")
                out.number("bytes", used)
            }
        case .walk(let sizes, let leftOut):
            out.object("virtual_machine") { out in
                out.text("measured", "walk")
                out.number("bytes", sizes.regular.apparent)
                out.number("allocated", sizes.regular.allocated)
                out.number("files", sizes.regular.count)
                out.number("mounts_left_out", leftOut)
                out.number("unreadable", sizes.unreadable.count)
            }
        case .unknown: out.null("virtual_machine")
        }
    }

    private func append(paths key: StaticString, _ paths: [[UInt8]], to out: inout JSONBuilder) {
        out.array(key, paths) { $0.name("path", "path_raw", $1) }
    }

    private func append(_ packages: PackageUse, to out: inout JSONBuilder) {
        out.array("packages", packages.used) { out, used in
            out.text("name", used.name)
            out.text("version", used.version)
            out.number("files", used.files)
            out.number("owned", used.owned)
            out.number("bytes", used.bytes)
            out.number("owned_bytes", used.ownedBytes)
        }
        append(paths: "unpackaged", packages.unpackaged, to: &out)
        append(paths: "modified", packages.modified, to: &out)
        append(paths: "modified_configuration", packages.modifiedConfiguration, to: &out)
        append(paths: "unverified", packages.unverified, to: &out)
        append("whole_packages", packages.whole, to: &out)
        append("left_to_copy", packages.copied, to: &out)
    }
}
