// Go's iceberg-go: it makes tables, appends, deletes and scans, on vended credentials.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"
	_ "github.com/apache/iceberg-go/io/gocloud/s3"
	"github.com/apache/iceberg-go/table"
)

var (
	background = context.Background()
	columns    = arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "region", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	schema = iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "region", Type: iceberg.PrimitiveTypes.String})
)

func records(ids ...int64) arrow.Table {
	builder := array.NewRecordBuilder(memory.DefaultAllocator, columns)
	for _, id := range ids {
		builder.Field(0).(*array.Int64Builder).Append(id)
		builder.Field(1).(*array.StringBuilder).Append([]string{"north", "south"}[id%2])
	}
	return array.NewTableFromRecords(columns, []arrow.RecordBatch{builder.NewRecordBatch()})
}

func count(lake *rest.Catalog, name table.Identifier, options ...table.ScanOption) (int64, error) {
	loaded, err := lake.LoadTable(background, name)
	if err != nil {
		return 0, err
	}
	rows, err := loaded.Scan(options...).ToArrowTable(background)
	if err != nil {
		return 0, err
	}
	return rows.NumRows(), nil
}

func mustCount(lake *rest.Catalog, name table.Identifier, wanted int64, options ...table.ScanOption) error {
	found, err := count(lake, name, options...)
	if err == nil && found != wanted {
		err = fmt.Errorf("%d rows, not %d", found, wanted)
	}
	return err
}

func sql(statement string) error {
	body, _ := json.Marshal(map[string]string{"sql": statement})
	request, err := http.NewRequest("POST", os.Getenv("LAKE_URL")+"/v1/databases/default/sql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("LAKE_TOKEN"))
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", statement, answer.Status)
	}
	return err
}

func ofFormat(lake *rest.Catalog, version string) error {
	name := table.Identifier{"golang", "orders" + version}
	properties := iceberg.Properties{"format-version": version}
	made, err := lake.CreateTable(background, name, schema, catalog.WithProperties(properties))
	if err != nil {
		return err
	}
	if made, err = made.AppendTable(background, records(1, 2, 3, 4), 1024, nil); err != nil {
		return err
	}
	if made, err = made.AppendTable(background, records(5, 6), 1024, nil); err != nil {
		return err
	}
	if err = mustCount(lake, name, 6); err != nil {
		return err
	}
	if _, err = made.Delete(background, iceberg.EqualTo(iceberg.Reference("region"), "north"), nil); err != nil {
		return err
	}
	return mustCount(lake, name, 3)
}

// An append through a catalog whose answers go wrong; the table is counted where they do not.
func appendBehind(lake *rest.Catalog, fault string, isLost bool) error {
	name := table.Identifier{"golang", "faults_" + fault}
	if _, err := lake.CreateTable(background, name, schema); err != nil {
		return err
	}
	faulty, err := connect(os.Getenv("LAKE_FAULTS") + "/" + fault + "/commits")
	if err != nil {
		return err
	}
	loaded, err := faulty.LoadTable(background, name)
	if err != nil {
		return err
	}
	if _, err = loaded.AppendTable(background, records(1, 2, 3), 1024, nil); (err != nil) != isLost {
		return fmt.Errorf("the append answered %v", err)
	}
	if err = mustCount(lake, name, 3); err != nil {
		return err
	}
	return lake.PurgeTable(background, name)
}

func connect(address string) (*rest.Catalog, error) {
	return rest.NewCatalog(background, "lake", address+"/iceberg",
		rest.WithOAuthToken(os.Getenv("LAKE_TOKEN")), rest.WithWarehouseLocation("lake"))
}

func captured(lake *rest.Catalog, options ...table.ScanOption) error {
	if err := errors.Join(sql("CREATE TABLE IF NOT EXISTS seen (id integer PRIMARY KEY)"),
		sql("DELETE FROM seen"), sql("INSERT INTO seen VALUES (1), (2)")); err != nil {
		return err
	}
	return mustCount(lake, table.Identifier{"default", "seen"}, 2, options...)
}

func main() {
	lake, err := connect(os.Getenv("LAKE_URL"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	cases := []struct {
		name string
		run  func() error
	}{
		{"a namespace is made", func() error {
			return lake.CreateNamespace(background, catalog.ToIdentifier("golang"), iceberg.Properties{"owner": "go"})
		}},
		{"a table of format 2 is made, filled, deleted from and scanned", func() error { return ofFormat(lake, "2") }},
		{"a table of format 3 is made, filled, deleted from and scanned", func() error { return ofFormat(lake, "3") }},
		{"a table is renamed, listed and dropped", func() error {
			from, to := table.Identifier{"golang", "orders2"}, table.Identifier{"golang", "renamed"}
			if _, err := lake.RenameTable(background, from, to); err != nil {
				return err
			}
			if err := mustCount(lake, to, 3); err != nil {
				return err
			}
			if err := lake.PurgeTable(background, to); err != nil {
				return err
			}
			if exists, err := lake.CheckTableExists(background, to); err != nil || exists {
				return fmt.Errorf("after the drop: %v, %v", exists, err)
			}
			return nil
		}},
		{"an append that arrives twice is made once", func() error { return appendBehind(lake, "repeat", false) }},
		{"an append whose answer is lost is there", func() error { return appendBehind(lake, "drop", true) }},
		{"a captured table is scanned", func() error { return captured(lake) }},
		{"a scan of a captured table is planned by the catalog", func() error {
			return captured(lake, table.WithScanPlanningMode(table.ScanPlanningRemote))
		}},
	}
	outcomes, err := os.OpenFile(os.Getenv("LAKE_OUTCOMES"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, each := range cases {
		line := "pass\ticeberg-go: " + each.name + "\t\n"
		if err := each.run(); err != nil {
			line = "fail\ticeberg-go: " + each.name + "\t" + strings.Join(strings.Fields(err.Error()), " ") + "\n"
		}
		fmt.Print(line)
		if _, err := outcomes.WriteString(line); err != nil {
			os.Exit(2)
		}
	}
}
