import ArgumentParser
import KernelProbe
import Text

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Say what this kernel and these privileges allow.",
        discussion: """
            Examines this host as retinued would at its start, and changes nothing. What is missing and \
            needed keeps retinued from starting; what is missing otherwise makes it see less, which its \
            status and its dumps then say. Then how each kind of thing is known here, the evidence that \
            its records get, and what that costs.

            Examples:
              sudo retinue probe                   as the daemon would see it
              retinue probe --json                 for scripts

            Exit status: 0 all that is needed is there; 1 something needed is missing.
            """)

    enum Format: String, OutputFormat {
        case table, json
        static let standard = table
    }

    @OptionGroup var format: FormatOptions<Format>

    @OptionGroup var colour: ColourOptions

    func run() throws {
        let report = ProbeReport(KernelProbe.run())
        switch format.choice {
        case .table:
            try Output.standard.write(
                painted: report.table(width: Output.standard.width(), colour.palette()))
        case .json: try Output.standard.write(report.json)
        }
        if !report.isSufficient { throw ExitCode(ExitStatus.negative) }
    }
}

/// What a probe found, in the forms in which it is printed.
struct ProbeReport {
    let probe: KernelProbe

    init(_ probe: KernelProbe) { self.probe = probe }

    /// Whether all that is needed is there.
    var isSufficient: Bool { probe.findings.allSatisfy { $0.isAvailable || !$0.isNeeded } }

    func table(width: Int?, _ palette: Palette = .none) -> String {
        var text = "kernel \(probe.kernel.printable)\n\n"
        var table = TextTable(
            [
                .init(title: "FEATURE", cut: .end), .init(title: "STATE"), .init(title: "DETAIL", cut: .end),
            ], palette)
        for finding in probe.findings {
            let meaning: Palette.Meaning? = finding.isAvailable ? nil : finding.isNeeded ? .bad : .care
            table.add([
                .init(text: finding.name.printable), .init(text: finding.state, meaning: meaning),
                .init(text: finding.detail.printable),
            ])
        }
        text += table.text(width: width)
        for finding in probe.findings where !finding.isAvailable && !finding.remedy.isEmpty {
            text += "\n\(finding.name.printable):\n"
            text += Paragraph.text(finding.remedy.printable, indent: 2, width: width ?? Terminal.defaultWidth)
        }
        if isSufficient { text += "\n" + modes(width: width) }
        let end = isSufficient ? "retinued can run here." : "retinued cannot run here as it is."
        text += "\n" + palette.paint(end, isSufficient ? .good : .bad) + "\n"
        return text
    }

    /// How things are known here, and what that costs.
    private func modes(width: Int?) -> String {
        var table = TextTable([
            .init(title: "KNOWN", cut: .end), .init(title: "BY", cut: .end), .init(title: "EVIDENCE"),
        ])
        for mode in probe.modes { table.add([mode.what, mode.how, mode.evidence]) }
        var text = table.text(width: width)
        for mode in probe.modes where !mode.cost.isEmpty {
            text +=
                "\n\(mode.what):\n"
                + Paragraph.text(mode.cost, indent: 2, width: width ?? Terminal.defaultWidth)
        }
        return text
    }

    var json: [UInt8] {
        var out = JSONWriter()
        out.object { out in
            out.member("kernel", text: probe.kernel)
            out.member("sufficient", flag: isSufficient)
            out.key("findings")
            out.beginArray()
            for finding in probe.findings {
                out.object { out in
                    out.member("name", text: finding.name)
                    out.member("available", flag: finding.isAvailable)
                    out.member("needed", flag: finding.isNeeded)
                    out.member("detail", text: finding.detail)
                    out.member("remedy", text: finding.remedy)
                }
            }
            out.endArray()
            out.key("modes")
            out.beginArray()
            for mode in probe.modes {
                out.object { out in
                    out.member("what", text: mode.what)
                    out.member("how", text: mode.how)
                    out.member("evidence", text: mode.evidence)
                    out.member("cost", text: mode.cost)
                }
            }
            out.endArray()
        }
        out.endDocument()
        return out.bytes
    }
}

extension KernelProbe.Finding {
    fileprivate var state: String { isAvailable ? "yes" : isNeeded ? "MISSING" : "no" }
}
