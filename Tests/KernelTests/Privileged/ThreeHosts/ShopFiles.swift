import Foundation
import TestSupport

/// What the three hosts of the shop run, as text.
enum ShopFiles {
    static func nginx(folder: String, address: String, application: String) -> String {
        """
        daemon off;
        user www-data;
        worker_processes 1;
        pid \(folder)/nginx.pid;
        error_log \(folder)/error.log;
        events { worker_connections 64; }
        http {
            access_log \(folder)/access.log;
            client_body_temp_path \(folder)/temp;
            proxy_temp_path \(folder)/temp;
            fastcgi_temp_path \(folder)/temp;
            uwsgi_temp_path \(folder)/temp;
            scgi_temp_path \(folder)/temp;
            server {
                listen \(address):80;
                root \(folder)/html;
                location /orders { proxy_pass http://\(application):8080; }
            }
        }
        """ + "\n"
    }

    /// Starts the front end and waits for it, as the entry point of a container does.
    static func start(folder: String) -> String {
        "#!/bin/sh\nnginx -e \(folder)/error.log -p \(folder) -c \(folder)/nginx.conf\n"
    }

    static func configuration(address: String, database: String, psql: String) -> String {
        "[server]\naddress = \(address)\n[database]\nhost = \(database)\npsql = \(psql)\n"
    }

    /// An order is a row in the database; how many there were stands in a file that the reporter reads.
    static let shop = #"""
        #!/usr/bin/env python3
        import configparser
        import http.server
        import json
        import os
        import socketserver
        import subprocess

        folder = os.path.dirname(os.path.abspath(__file__))
        config = configparser.ConfigParser()
        config.read(folder + "/shop.conf")
        state = {"orders": 0}


        def query(sql):
            place = config["database"]
            command = [place["psql"], "-X", "-q", "-A", "-t", "-c", sql]
            variables = {**os.environ, "PGHOST": place["host"], "PGUSER": "shop", "PGDATABASE": "postgres"}
            return subprocess.run(command, env=variables, check=True, capture_output=True).stdout


        def keep():
            # As programs do that never want half a file to be read.
            with open(folder + "/state.json.new", "w") as file:
                json.dump(state, file)
            os.replace(folder + "/state.json.new", folder + "/state.json")


        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                number = query("insert into orders default values returning number")
                state["orders"] += 1
                keep()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(number)

            def log_message(self, *words):
                pass


        class Server(http.server.HTTPServer):
            def server_bind(self):
                # That of HTTPServer asks a resolver for the name of its address.
                socketserver.TCPServer.server_bind(self)


        subprocess.run(["sort", "-o", folder + "/articles.sorted", folder + "/articles"], check=True)
        with open(folder + "/articles.sorted") as articles:
            state["articles"] = len(articles.readlines())
        query("create table if not exists orders (number serial)")
        keep()
        server = Server((config["server"]["address"], 8080), Handler)
        print("ready", flush=True)
        server.serve_forever()
        """# + "\n"

    static let reporter = #"""
        #!/usr/bin/env python3
        import json
        import os

        folder = os.path.dirname(os.path.abspath(__file__))
        with open(folder + "/state.json") as state, open(folder + "/report", "w") as report:
            report.write(f"{json.load(state)['orders']} orders\n")
        """# + "\n"
}
