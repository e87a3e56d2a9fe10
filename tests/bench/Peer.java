package org.apache.iceberg.rest;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.CatalogUtil;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * Apache's REST fixture as its own main sets it up, but on this machine's own address, with one connection to its
 * database, and gone when its stdin ends. The first argument is the folder of its tables; a second one puts
 * its database into memory.
 */
public final class Peer {
  private Peer() {}

  public static void main(String[] arguments) throws Exception {
    Path warehouse = Files.createDirectories(Path.of(arguments[0]).toAbsolutePath());
    // A file, as the lake's pointers are in one, unless it is asked for in memory: there no commit waits for the disk. With
    // more connections than one it answers that its database is busy, or has several in memory.
    String database = arguments.length > 1 ? ":memory:" : warehouse.resolve("catalog.db").toString();
    Map<String, String> properties =
        Map.of(
            "catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog",
            "uri", "jdbc:sqlite:" + database,
            "clients", "1",
            "jdbc.schema-version", "V1",
            "warehouse", warehouse.toString());
    var catalog = CatalogUtil.buildIcebergCatalog("peer", properties, new Configuration());
    var adapter = new RESTServerCatalogAdapter(new RESTCatalogServer.CatalogContext(catalog, properties));
    var handler = new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
    handler.addServlet(new ServletHolder(new RESTCatalogServlet(adapter)), "/*");
    var server = new Server();
    var connector = new ServerConnector(server);
    connector.setHost("127.0.0.1");
    server.addConnector(connector);
    server.setHandler(handler);
    server.start();
    System.out.println("ready http://127.0.0.1:" + connector.getLocalPort());
    System.in.transferTo(java.io.OutputStream.nullOutputStream());
    server.stop();
    System.exit(0);
  }
}
