// go-sql-driver through database/sql: pools, prepared and interpolated statements.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// withTLS gives the parameter for a connection whose server's certificate is checked, where that is wanted.
func withTLS() string {
	file := os.Getenv("TLS_CA")
	if file == "" {
		return ""
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	if err := mysql.RegisterTLSConfig("checked", &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}); err != nil {
		panic(err)
	}
	return "&tls=checked"
}

var secure = withTLS()

func open(more string) *sql.DB {
	e := os.Getenv
	more += secure
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s:%s)/%s?parseTime=true&charset=utf8mb4%s", e("USER"), e("PASSWORD"), e("HOST"), e("PORT"), e("DB"), more))
	if err != nil {
		panic(err)
	}
	return db
}

func feature(name string, run func() error) {
	if err := run(); err != nil {
		fmt.Println("FAIL", name, strings.ReplaceAll(err.Error(), "\n", " "))
	} else {
		fmt.Println("ok", name)
	}
}

func same(wanted, got any) error {
	if fmt.Sprint(wanted) != fmt.Sprint(got) {
		return fmt.Errorf("wanted %v, got %v", wanted, got)
	}
	return nil
}

func one(db interface {
	QueryRow(string, ...any) *sql.Row
}, wanted any, query string, args ...any) error {
	var got sql.NullString
	if err := db.QueryRow(query, args...).Scan(&got); err != nil {
		return err
	}
	return same(wanted, got.String)
}

// first gives the first error of several.
func first(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func code(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

func run(db *sql.DB, statements ...string) error {
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			return err
		}
	}
	return nil
}

func both(db *sql.DB, how string) {
	feature(how+": insert, id, rows", func() error {
		r, err := db.Exec("INSERT INTO drv_go (a,s,d) VALUES (?,?,?)", 1, "ü😀", time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC))
		if err != nil {
			return err
		}
		n, _ := r.RowsAffected()
		id, _ := r.LastInsertId()
		return first(same(1, n), one(db, "ü😀", "SELECT s FROM drv_go WHERE id=?", id))
	})
	feature(how+": statement used many times", func() error {
		s, err := db.Prepare("SELECT ? + 1")
		if err != nil {
			return err
		}
		defer s.Close()
		for i := 0; i < 50; i++ {
			var got int
			if err := s.QueryRow(i).Scan(&got); err != nil || got != i+1 {
				return fmt.Errorf("%d gave %d, %v", i, got, err)
			}
		}
		return nil
	})
	feature(how+": transaction", func() error {
		tx, err := db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		if _, err = tx.Exec("DELETE FROM drv_go"); err != nil {
			return err
		}
		err = one(tx, "0", "SELECT COUNT(*) FROM drv_go")
		return first(err, tx.Rollback(), one(db, "1", "SELECT COUNT(*) > 0 FROM drv_go"))
	})
	feature(how+": read-only transaction", func() error {
		tx, err := db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		_, err = tx.Exec("DELETE FROM drv_go")
		return first(same(1792, code(err)), tx.Rollback())
	})
	feature(how+": errors", func() error {
		_, dup := db.Exec("INSERT INTO drv_go (id) VALUES (?)", 1)
		_, none := db.Exec("SELECT * FROM no_such WHERE a=?", 1)
		return first(same(1062, code(dup)), same(1146, code(none)))
	})
	feature(how+": types", func() error {
		var d time.Time
		var b []byte
		var f float64
		var n sql.NullInt64
		err := db.QueryRow("SELECT d, s, 1.5e0, NULL FROM drv_go WHERE a=? LIMIT 1", 1).Scan(&d, &b, &f, &n)
		return first(err, same(2024, d.Year()), same(1.5, f), same(false, n.Valid))
	})
}

func main() {
	db := open("")
	if err := run(db, "DROP TABLE IF EXISTS drv_go", "CREATE TABLE drv_go (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(50), d DATETIME) DEFAULT CHARSET utf8mb4"); err != nil {
		fmt.Println("FAIL setup", err)
		return
	}
	both(db, "native")
	both(open("&interpolateParams=true"), "interpolated")
	feature("several results", func() error {
		rows, err := open("&multiStatements=true").Query("SELECT 1; SELECT 2")
		if err != nil {
			return err
		}
		defer rows.Close()
		sum, v := 0, 0
		for more := true; more; more = rows.NextResultSet() {
			for rows.Next() {
				_ = rows.Scan(&v)
				sum += v
			}
		}
		return first(same(3, sum), rows.Err())
	})
	feature("stacked statements are refused without the option", func() error { _, err := db.Exec("SELECT 1; SELECT 2"); return same(1064, code(err)) })
	feature("clientFoundRows", func() error {
		r, err := open("&clientFoundRows=true").Exec("UPDATE drv_go SET a=1 WHERE id=1")
		if err != nil {
			return err
		}
		n, _ := r.RowsAffected()
		return same(1, n)
	})
	feature("a pool of goroutines", func() error {
		pool, group, failed := open(""), sync.WaitGroup{}, make(chan error, 400)
		pool.SetMaxOpenConns(8)
		for g := 0; g < 16; g++ {
			group.Add(1)
			go func(g int) {
				defer group.Done()
				for i := 0; i < 20; i++ {
					if err := one(pool, fmt.Sprint(g*100+i), "SELECT ?", g*100+i); err != nil {
						failed <- err
					}
				}
			}(g)
		}
		group.Wait()
		close(failed)
		return <-failed
	})
	feature("LOAD DATA LOCAL", func() error {
		mysql.RegisterReaderHandler("data", func() io.Reader { return strings.NewReader("100\t5\n101\t6\n") })
		r, err := db.Exec("LOAD DATA LOCAL INFILE 'Reader::data' INTO TABLE drv_go (id, a)")
		if err != nil {
			return err
		}
		n, _ := r.RowsAffected()
		return same(2, n)
	})
	feature("session variables and one connection", func() error {
		c, err := open("&time_zone=%27%2B03%3A00%27").Conn(context.Background())
		if err != nil {
			return err
		}
		defer c.Close()
		var zone string
		err = c.QueryRowContext(context.Background(), "SELECT @@time_zone").Scan(&zone)
		return first(err, same("+03:00", zone))
	})
	feature("a cancelled query", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, err := db.ExecContext(ctx, "SELECT SLEEP(5)")
		return first(same(true, err != nil), one(db, "1", "SELECT 1"))
	})
	feature("wrong password", func() error {
		e := os.Getenv
		bad, _ := sql.Open("mysql", fmt.Sprintf("%s:wrong@tcp(%s:%s)/%s?%s", e("USER"), e("HOST"), e("PORT"), e("DB"), strings.TrimPrefix(secure, "&")))
		return same(1045, code(bad.Ping()))
	})
	feature("drop", func() error { return run(db, "DROP TABLE drv_go") })
}
