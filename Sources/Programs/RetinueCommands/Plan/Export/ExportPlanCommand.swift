import ArgumentParser
import Glibc
import MovePlan
import SystemCalls
import Text

struct ExportPlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Carry a plan out by other tools: an archive, an image, or a recipe.",
        usage: """
            retinue plan export <file> --tar <file> [<options>]
            retinue plan export <file> --oci <folder> [--start <command>] [<options>]
            retinue plan export <file> --disk <file> [--free <bytes>] [--start <command>] [<options>]
            retinue plan export <file> --containerfile | --mmdebstrap | --apt | --dnf [<options>]
            """,
        discussion: """
            --tar has what the plan copies, to be unpacked where its packages are installed. --oci makes an image by \
            itself, with what a trial's root has: the packages' files as they are here, what the plan copies, and the \
            accounts; runc starts it, skopeo and umoci read it. Both are the same, byte for byte, as long as the files are.

            --disk makes a disk for a virtual machine of the same, with an init that starts the program; it boots with any \
            kernel that has ext4 and virtio, by `root=/dev/vda rw init=/.retinue/init`.

            --containerfile, --mmdebstrap, --apt and --dnf print what installs the packages; the first two add the accounts \
            and the archive, which they expect as files.tar. Versions are those that the archive has then: it keeps no \
            earlier ones, so that --exact-versions only serves a host that has all updates, or a snapshot of the archive.

            What is being written is copied as it lies there: stop the service, or name a snapshot by --root.

            Examples:
              retinue plan export plan.yaml --tar - | ssh new tar -x -p --numeric-owner --xattrs -C /srv/root
              retinue plan export plan.yaml --oci shop && skopeo copy oci:shop:latest docker-archive:shop.tar
              retinue plan export plan.yaml --tar files.tar
              retinue plan export plan.yaml --containerfile -o Containerfile && podman build .

            Exit status: 0 done; 1 it failed; 2 bad input.
            """)

    @Argument(help: "The plan.", completion: .file())
    var file: String

    @Option(
        help: ArgumentHelp(
            "Write an archive of what is copied; - is standard output.", valueName: "file"),
        completion: .file())
    var tar: String?

    @Option(
        help: ArgumentHelp(
            "Make an image layout (OCI image-spec 1.0), its only image `latest`, in a folder that is empty or not there.",
            valueName: "folder"),
        completion: .directory)
    var oci: String?

    @Option(
        help: ArgumentHelp(
            "Make a disk (raw, ext4) for a virtual machine, which starts the program.", valueName: "file"),
        completion: .file())
    var disk: String?

    @Option(help: ArgumentHelp("With --disk: bytes that are free on it.", valueName: "bytes"))
    var free = 268_435_456

    @Flag(help: "Print a Containerfile.")
    var containerfile = false

    @Flag(help: "Print a command of mmdebstrap(1).")
    var mmdebstrap = false

    @Flag(help: "Print a command of apt-get(8).")
    var apt = false

    @Flag(help: "Print a command of dnf(8), or of zypper(8) where the host has SUSE.")
    var dnf = false

    @Flag(help: "With these four: ask for the versions of packages that are here, and for no others.")
    var exactVersions = false

    @Option(help: ArgumentHelp("Of which host: its id or name.", valueName: "host"))
    var host: String?

    @Option(
        help: ArgumentHelp(
            "What the image or disk starts, by a shell; else what the plan's first program ran with.",
            valueName: "command"))
    var start: String?

    @Option(
        help: ArgumentHelp("Where the host's files are mounted.", valueName: "folder"), completion: .directory
    )
    var root = "/"

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write what is printed to this file; - is standard output.", valueName: "file"),
        completion: .file())
    var output = "-"

    enum Format: String, OutputFormat {
        case text, json
        static let standard = text
    }

    @OptionGroup var form: FormatOptions<Format>

    func validate() throws {
        guard tar != "-" || form.choice == .text else {
            throw ValidationError("--tar - and --json both take standard output")
        }
        let forms = [tar != nil, oci != nil, disk != nil, containerfile, mmdebstrap, apt, dnf].count { $0 }
        guard forms == 1 else {
            throw ValidationError(
                "give one of --tar, --oci, --disk, --containerfile, --mmdebstrap, --apt and --dnf")
        }
        guard (0..<1 << 44).contains(free) else { throw ValidationError("--free is a number of bytes") }
        guard !exactVersions || containerfile || mmdebstrap || apt || dnf else {
            throw ValidationError("--exact-versions is for --containerfile, --mmdebstrap, --apt and --dnf")
        }
    }

    func run() throws {
        do { try export() } catch let interruption as HeldSignals.Interrupted {
            // What was begun is gone by now.
            interruption.die()
        }
    }

    private func export() throws {
        let plan = try PlanFile.read(at: file)
        let host = plan.hosts[try plan.position(ofHost: host)]
        guard FileProbe.isDirectory(root) else {
            throw Failure("--root \(root.printable): no such directory", status: ExitStatus.badInput)
        }
        if let tar {
            let folder = try TrialFolder(named: nil, signals: HeldSignals())
            try PlanArchive(in: folder).write(
                PlanContents(host, root: root).paths(), of: root, to: tar, latest: nil)
            try say(host, "tar", file: tar)
        } else if let oci {
            let command = try PlannedCommand(host, start: start)
            try ImageLayout(host, command, made: plan.made, root: root).make(at: oci)
            try say(host, "oci", file: oci)
        } else if let disk {
            let command = try PlannedCommand(host, start: start)
            try DiskImage(host, command, root: root, free: UInt64(free)).make(at: disk)
            try say(host, "disk", file: disk)
        } else {
            let recipe = try PlanRecipe(plan, host, root: root, hasVersions: exactVersions)
            let text =
                try containerfile
                ? recipe.containerfile(PlannedCommand(host, start: start))
                : mmdebstrap ? recipe.mmdebstrap() : apt ? recipe.install(.apt) : recipe.rpm()
            let word = containerfile ? "containerfile" : mmdebstrap ? "mmdebstrap" : apt ? "apt" : "dnf"
            let form = form.choice
            try OutputFile.write(to: output) { output in
                switch form {
                case .text: try output.write(text)
                case .json: try output.write(PlanAnswer.export(host, form: word, file: nil, text: text))
                }
            }
        }
    }

    private func say(_ host: HostPlan, _ word: String, file: String) throws {
        guard form.choice == .json else { return }
        try OutputFile.write(to: output) {
            try $0.write(PlanAnswer.export(host, form: word, file: file, text: nil))
        }
    }
}
